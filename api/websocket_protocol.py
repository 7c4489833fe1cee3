"""WebSocket connections under uvicorn, which are ended by their route and not by the server over its head."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_BYTES = "websocket_bytes"
"""The key of the largest message's size in the lifespan's state."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's own, but a server that stops lets turns be said to their end; and with our limit of size.

    A message over the limit closes the connection: code 1009.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn.max_size = self.app_state[MOST_BYTES]

    def shutdown(self) -> None:
        """Leave an open connection to its route, which knows by itself that the server stops."""
        if self.close_sent or not self.handshake_complete:
            super().shutdown()
