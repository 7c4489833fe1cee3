"""What routes ask for: the process's runtime, the caller, and the owner of what the request may touch."""

from typing import Annotated

from fastapi import Depends, Query
from starlette.requests import HTTPConnection

from api import auth
from api.runtime import ApiRuntime
from shared.core.api_key import Caller
from shared.wire.requests import Includable


# Async on purpose: a plain function would cost each request a hop to a thread.
async def _runtime(request: HTTPConnection) -> ApiRuntime:
    runtime: ApiRuntime = request.app.state.runtime
    return runtime


async def _caller(request: HTTPConnection) -> Caller:
    return await auth.caller_of(request)


async def _admitted(request: HTTPConnection) -> Caller:
    caller = await auth.caller_of(request)
    runtime: ApiRuntime = request.app.state.runtime
    await runtime.request_rate.admit(caller.owner)
    return caller


async def _owner(caller: Annotated[Caller, Depends(_caller)]) -> str:
    return caller.owner


async def _admin(request: HTTPConnection) -> None:
    await auth.require_admin(request)


async def _watching(request: HTTPConnection) -> None:
    await auth.require_admin_lately(request)


async def _included(
    include: Annotated[list[Includable] | None, Query()] = None,
    include_in_brackets: Annotated[list[Includable] | None, Query(alias="include[]")] = None,
) -> None:
    """Known values in either spelling are fine: an answer always has all there is."""


Runtime = Annotated[ApiRuntime, Depends(_runtime)]
Asking = Annotated[Caller, Depends(_caller)]
Admitted = Annotated[Caller, Depends(_admitted)]
"""The same, for what makes a model work: counted, and refused when it is too much."""
Owner = Annotated[str, Depends(_owner)]
AdminOnly = Depends(_admin)
Watching = Depends(_watching)
"""An operator, for what must be readable while the database is away."""
INCLUDE = Depends(_included)
