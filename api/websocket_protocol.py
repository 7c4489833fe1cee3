"""WebSocket connections under uvicorn, which are ended by their route and not by the server over its head."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_BYTES = "websocket_bytes"
"""The key of the largest message's size in the lifespan's state."""

_LINGER_SECONDS = 1.0


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's own, with our limit of size, and with an end that the client hears of."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn.max_size = self.app_state[MOST_BYTES]

    def data_received(self, data: bytes) -> None:
        """Take in what has come; after a broken or too large message nothing counts any more."""
        if self.conn.parser_exc is None:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Say why (code 1002, 1007 or 1009), and take in what is still under way: a reset would overtake the reason."""
        said = self.conn.close_sent
        assert said is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": said.code, "reason": said.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def keepalive_timeout(self) -> None:
        """End it for good, soon: who does not answer may not read either, and what is unsent would wait for ever."""
        super().keepalive_timeout()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        """Leave an open connection to its route, which knows by itself that the server stops."""
        if self.close_sent or not self.handshake_complete:
            super().shutdown()
