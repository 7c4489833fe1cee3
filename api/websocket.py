"""WebSocket on /v1/responses: many turns over one connection."""

from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.websockets import WebSocket

from api.dependencies import Owner, Runtime
from api.websocket_connection import Connection
from shared.errors import Forbidden
from shared.settings import Settings

router = APIRouter()


@router.websocket("/v1/responses")
async def converse(socket: WebSocket, runtime: Runtime, owner: Owner) -> None:
    """Turns, each begun by a `response.create`; a connection is a stream, and each of its turns that runs another."""
    _refuse_other_sites(socket, runtime.settings)
    slot = runtime.streams.take(owner)
    try:
        await socket.accept()
        await Connection(runtime, socket).run()
    finally:
        slot.let_go()


def _refuse_other_sites(socket: WebSocket, settings: Settings) -> None:
    """Browsers let any page open a WebSocket to any server, and say only whose page it is: the server must look."""
    origin = socket.headers.get("origin")
    if origin is None or urlsplit(origin).netloc == socket.headers.get("host"):
        return
    if not {"*", origin} & set(settings.allowed_origins):
        raise Forbidden("Pages of this origin may not call this server. See TURNSTONE_CORS_ORIGINS.")
