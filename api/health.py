"""/healthz: the process answers. /readyz: it can accept turns. /metrics. /v1/models: what the upstreams serve."""

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import Asking, Runtime, Watching
from api.json_response import Json
from api.problems import problems
from api.runtime import ApiRuntime
from shared import exposition
from shared.errors import NotFound
from shared.store import schema

router = APIRouter()

_CHECK_SECONDS = 2


@router.get("/healthz")
async def healthz() -> Response:
    """Alive."""
    return Json({"status": "ok"})


@router.get("/readyz")
async def readyz(runtime: Runtime) -> Response:
    """Ready when the database answers. Redis may be away: turns are accepted all the same, and run when it is back."""
    database, found = await asyncio.gather(_database(runtime), problems(runtime))
    status = "stopping" if runtime.stopping.is_set() else "ok" if database else "unavailable"
    body = {"status": status, "database": database, "redis": not found, "problems": found}
    return Json(body, 200 if status == "ok" else 503)


@router.get("/metrics", dependencies=[Watching])
async def get_metrics(runtime: Runtime) -> Response:
    """The figures of this process, or of all on this host that `turnstone up` started; and the state of the queue."""
    queue = await runtime.queue_watch.figures()
    return Response(await asyncio.to_thread(exposition.exposition, queue), media_type=exposition.CONTENT_TYPE)


@router.get("/v1/models")
async def models(runtime: Runtime, caller: Asking) -> Response:
    """The models of all upstreams that the caller may use."""
    usable = [model for model in await runtime.upstreams.models() if caller.may_use(model["id"])]
    return Json({"object": "list", "data": usable})


@router.get("/v1/models/{model:path}")
async def model(model: str, runtime: Runtime, caller: Asking) -> Response:
    """One model, by the id it is listed under."""
    for served in await runtime.upstreams.models():
        if served["id"] == model and caller.may_use(model):
            return Json(served)
    raise NotFound(f"The model '{model[:80]}' does not exist.", "model", "model_not_found")


async def _database(runtime: ApiRuntime) -> bool:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await runtime.read(schema.ping)
    except Exception:  # noqa: BLE001 - whatever it is, the database did not answer
        return False
    return True
