"""/v1/turnstone/status: what the person on call asks first."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import AdminOnly, Runtime
from api.json_response import Json
from api.problems import problems
from shared.errors import Unavailable
from shared.store import server_state
from shared.store.processes import Process
from shared.store.queue_state import TierState, Waiting
from shared.store.server_state import ServerState
from shared.version import VERSION

router = APIRouter()

_ANSWER_SECONDS = 5


@router.get("/v1/turnstone/status", dependencies=[AdminOnly])
async def status(runtime: Runtime) -> Response:
    """How much work there is and who does it, in the deployment, and what it waits for. The workers are not asked."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            state, found = await asyncio.gather(runtime.read(server_state.load), problems(runtime))
    except TimeoutError:
        raise Unavailable("The database does not answer.") from None
    return Json(_body(state) | {"problems": found})


def _body(state: ServerState) -> dict[str, Any]:
    return {
        "object": "turnstone.status",
        "version": VERSION,
        "schema_revision": state.schema_revision,
        "turns": {
            "running": state.running,
            "queued": state.queued,
            "oldest_queued_seconds": round(state.oldest_seconds(), 3),
            "waiting_for": {what.value: state.waiting_for(what) for what in Waiting},
        },
        "tiers": {tier.value: _tier(one) for tier, one in state.tiers.items()},
        "workers": [_process(one) for one in state.workers],
        "api_processes": [_process(one) for one in state.api_processes],
        "recoveries": state.recoveries,
    }


def _tier(state: TierState) -> dict[str, Any]:
    oldest_seconds = max(one.oldest_seconds for one in state.queued.values())
    return {"running": state.running, "queued": state.depth, "oldest_queued_seconds": round(oldest_seconds, 3)}


def _process(process: Process) -> dict[str, Any]:
    return {
        "id": process.id,
        "version": process.version,
        "seen_seconds_ago": round(process.seen_seconds_ago, 3),
    }
