"""What routes ask for: the process's runtime and the owner of the request."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.auth import owner_of
from api.runtime import ApiRuntime


# Async on purpose: a plain function would cost each request a hop to a thread.
async def _runtime(request: HTTPConnection) -> ApiRuntime:
    runtime: ApiRuntime = request.app.state.runtime
    return runtime


async def _owner(request: HTTPConnection) -> str:
    return owner_of(request)


Runtime = Annotated[ApiRuntime, Depends(_runtime)]
Owner = Annotated[str, Depends(_owner)]
