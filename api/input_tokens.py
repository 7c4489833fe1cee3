"""/v1/responses/input_tokens: how many tokens a turn's model would read, by the count of its own server."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import turn_creation
from api.caller import while_connected
from api.dependencies import Admitted, Runtime
from api.json_response import Json
from api.request_body import read_as
from shared.wire.requests import CountInputTokens

router = APIRouter(prefix="/v1/responses")


@router.post("/input_tokens")
async def count(request: Request, runtime: Runtime, caller: Admitted) -> Response:
    """Count the input of a turn, with all that it goes on from; nothing is stored."""
    body = await read_as(CountInputTokens, request, runtime.settings.max_body_bytes)
    creation = turn_creation.prepare(runtime, caller, body)
    asked = creation.turn.request
    with runtime.streams.holding(caller.owner):
        items = await turn_creation.rehearse(runtime, creation)
        counting = runtime.upstreams.of(asked["model"]).count_tokens(asked, items)
        counted = {"object": "response.input_tokens", "input_tokens": await while_connected(request, counting)}
    return Json(counted)
