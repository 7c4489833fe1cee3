"""HTTP connections under uvicorn, with a bound on what is not a body, and refusals in our envelope."""

from typing import Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES: Final = 64 * 1024
"""Of a request's first line and headers, or of what follows a body: uvicorn itself would keep it all in memory."""

_END: Final = b"\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: "


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's own; too much without a head's end or a piece of a body is an invalid request."""

    _unfinished = 0

    def data_received(self, data: bytes) -> None:
        """Take in what has come, unless it only makes a head longer."""
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._unfinished = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._unfinished = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and hang up."""
        error = {"message": msg, "type": "invalid_request_error", "param": None, "code": None}
        body = orjson.dumps({"error": error})
        self.transport.write(b"HTTP/1.1 400 Bad Request" + _END + b"%d\r\n\r\n" % len(body) + body)
        self.transport.close()
