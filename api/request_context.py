"""Around every request and WebSocket: an id in the answer and the logs, an envelope for what nothing else caught."""

import re

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars, get_contextvars

from api import errors
from shared import ids, tracing
from shared.errors import InvalidRequest, NotFound

_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_PLAIN = re.compile(r"[!-~]{1,512}")  # OpenAI's own limit


class RequestContext:
    """ASGI middleware; the innermost that sees raw exceptions, so that no traceback with a client's text is printed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = ids.new_request_id()
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] in _STARTS:
                started = True
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        tracing.note(request_id=request_id)
        with bound_contextvars(request_id=request_id, **_clients_own_id(scope)):
            try:
                _refuse_nul(scope)
                await self._app(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001 - the last place that can answer
                response = errors.answer(error)
                if started:
                    raise ConnectionAbortedError("the answer broke off") from None
                await response(scope, receive, send_with_id)


def request_id() -> str | None:
    """The id of the request, or of the WebSocket, that is being served here."""
    found: str | None = get_contextvars().get("request_id")
    return found


def _clients_own_id(scope: Scope) -> dict[str, str]:
    """The client's name for its request, for the logs; one that is no plain word is left out."""
    given = Headers(scope=scope).get("x-client-request-id", "")
    return {"client_request_id": given} if _PLAIN.fullmatch(given) else {}


def _refuse_nul(scope: Scope) -> None:
    """No id or cursor holds U+0000, and Postgres cannot even be asked for one."""
    if "\x00" in scope["path"]:
        raise NotFound("There is no such path on this server.")
    if b"%00" not in scope["query_string"]:
        return
    for name, value in QueryParams(scope["query_string"]).multi_items():
        if "\x00" in name + value:
            raise InvalidRequest(f"'{name[:64]}' holds the character U+0000.", name[:64], "invalid_value")
