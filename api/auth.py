"""Who is asking: each request has an owner, and the store filters by it."""

from starlette.requests import HTTPConnection

from api.runtime import ApiRuntime
from shared.core.api_key import Caller
from shared.errors import Forbidden


async def caller_of(request: HTTPConnection) -> Caller:
    """Who sends a request, or opened a WebSocket, by its `Authorization: Bearer`; raises Unauthorized."""
    runtime: ApiRuntime = request.app.state.runtime
    return await runtime.keys.caller(_bearer(request.headers.get("authorization", "")))


async def require_admin(request: HTTPConnection) -> None:
    """Raise Forbidden unless the caller is an operator."""
    _refuse_others(await caller_of(request))


async def require_admin_lately(request: HTTPConnection) -> None:
    """The same, or the caller was an operator when the database was last there to ask."""
    runtime: ApiRuntime = request.app.state.runtime
    _refuse_others(await runtime.keys.caller_lately(_bearer(request.headers.get("authorization", ""))))


def _refuse_others(caller: Caller) -> None:
    if not caller.admin:
        raise Forbidden("This needs a key with admin scope.")


def _bearer(authorization: str) -> str | None:
    scheme, _, key = authorization.partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
