"""HTTP connections under uvicorn, with a bound on what is not a body, and refusals in our envelope."""

from typing import Any, Final

import orjson
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api import errors
from api.connections import CONNECTIONS, Connections
from shared.errors import Unavailable

MOST_HEAD_BYTES: Final = 64 * 1024
"""Of a request's first line and headers, or of what follows a body: uvicorn itself would keep it all in memory."""

_ALWAYS_ANSWERED: Final = (b"/healthz", b"/readyz")
_TRY_AGAIN_SECONDS: Final = 2
_CROWDED: Final = "Too many connections are open. Try again later."
_END: Final = b"\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: "


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's own; too much without a head's end or a piece of a body is an invalid request.

    Of connections there are as many as file descriptors allow: above that, the longest idle is closed, and where none
    is idle, all but health checks is refused.
    """

    _unfinished = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._crowd: Connections = self.app_state[CONNECTIONS]

    def connection_made(self, transport: Any) -> None:
        """Take the connection in, in the place of an idle one if need be."""
        super().connection_made(transport)
        if not self._crowd.admit(self, len(self.connections)):
            self._send_last(b"503 Service Unavailable", "server_error", _CROWDED)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._crowd.busy(self)
        super().connection_lost(exc)

    def hang_up(self) -> None:
        """Close an idle connection; what replaces it is counted from now on."""
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in what has come, unless it only makes a head longer."""
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._unfinished = 0
        self._crowd.busy(self)
        if not self._has_room():
            self.app = _refuse
        super().on_headers_complete()
        self.app = self.config.loaded_app

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._unfinished = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Be idle, unless another request has come already."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._crowd.idle(self)

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the other protocol, if there is room."""
        if self._has_room():
            super().handle_websocket_upgrade()
        else:
            self._send_last(b"503 Service Unavailable", "server_error", _CROWDED)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and hang up."""
        self._send_last(b"400 Bad Request", "invalid_request_error", msg)

    def _has_room(self) -> bool:
        return self._crowd.has_room(len(self.connections)) or self.url.partition(b"?")[0] in _ALWAYS_ANSWERED

    def _send_last(self, status: bytes, kind: str, message: str) -> None:
        code = None if kind == "invalid_request_error" else Unavailable.code
        body = orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})
        again = b"" if code is None else b"\r\nretry-after: %d" % _TRY_AGAIN_SECONDS
        self.transport.write(b"HTTP/1.1 " + status + again + _END + b"%d\r\n\r\n" % len(body) + body)
        self.transport.close()


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 503 and close, in the place of the application."""
    response = errors.answer(Unavailable(_CROWDED, _TRY_AGAIN_SECONDS))
    response.headers["connection"] = "close"
    await response(scope, receive, send)
