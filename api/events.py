"""/v1/responses/{id}/events: a stream for browsers and other readers that resume by `Last-Event-ID`."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api import response_stream
from api.auth import caller_of
from api.dependencies import Owner, Runtime
from api.json_response import Json
from shared import clock
from shared.errors import response_not_found
from shared.sealing import Seal
from shared.store import responses

_TOKEN_SECONDS = 300

router = APIRouter(prefix="/v1/responses")


@router.get("/{response_id}/events")
async def events(
    request: Request,
    response_id: str,
    runtime: Runtime,
    starting_after: Annotated[int | None, Query(ge=-1, le=2**31 - 1)] = None,
    token: str | None = None,
) -> Response:
    """The events with `id:` lines, after `Last-Event-ID` or `starting_after`; of any response, however it was made."""
    owner = (await caller_of(request)).owner if token is None else _owner_by(runtime.event_tokens, token, response_id)
    after = response_stream.last_event_id(request, starting_after)
    with runtime.streams.take(owner) as slot:
        turn = await response_stream.open_turn(runtime, owner, response_id)
        return response_stream.resumed_with_ids(runtime, turn, slot, after)


@router.post("/{response_id}/events/token")
async def make(response_id: str, runtime: Runtime, owner: Owner) -> Response:
    """A token for `GET …/events?token=`, good for five minutes, for this response alone."""
    if await runtime.read(responses.get, owner, response_id) is None:
        raise response_not_found(response_id)
    token = runtime.event_tokens.close(response_id, owner)
    expires_at = int(clock.now()) + _TOKEN_SECONDS
    return Json({"object": "response.events_token", "token": token, "expires_at": expires_at})


def _owner_by(tokens: Seal, token: str, response_id: str) -> str:
    owner = tokens.open(response_id, token, _TOKEN_SECONDS)
    if owner is None:
        # The same answer as for an unknown id: a token tells nobody what exists.
        raise response_not_found(response_id)
    return owner
