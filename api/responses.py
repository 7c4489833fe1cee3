"""/v1/responses: create, get, cancel, delete, list input items."""

import asyncio
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api import foreground, response_stream, turn_creation
from api.dependencies import INCLUDE, Admitted, Owner, Runtime
from api.idempotency import key_of
from api.json_response import Json
from api.listing import Labels, PageQuery, listed
from api.request_body import read_as
from api.runtime import ApiRuntime
from api.stream_limits import Slot
from shared.core.response_render import render_current
from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.errors import InvalidRequest, response_not_found
from shared.store import items, references, responses
from shared.store.responses import Stored
from shared.stream.event_feed import Subscription
from shared.wire.requests import CreateResponse
from shared.wire.response import ResponseBody

router = APIRouter(prefix="/v1/responses")

_CANCELLING = {
    Status.COMPLETED: "Cannot cancel a completed response.",
    Status.FAILED: "Cannot cancel a failed response.",
    Status.INCOMPLETE: "Cannot cancel an incomplete response.",
}


@router.post("")
async def create(request: Request, runtime: Runtime, caller: Admitted) -> Response:
    """Store a turn and have it run: answered at once (`background`), as a stream, or at its end."""
    body = await read_as(CreateResponse, request, runtime.settings.max_body_bytes)
    creation = turn_creation.prepare(runtime, caller, body, key_of(request, body))
    turn, keyed = creation.turn, creation.key is not None
    # Before anything can happen, so that the end of a short turn is not missed.
    slot = runtime.streams.take(caller.owner) if turn.stream else None
    subscription = None if turn.logged else await _listen(runtime, turn)
    try:
        placed = await turn_creation.place(runtime, creation)
    except BaseException:
        await _let_go(runtime, subscription, slot)
        raise
    if placed.repeated:
        await _let_go(runtime, subscription, slot)
        return await _repeat(request, runtime, caller.owner, placed.response_id)
    waits = not placed.dispatchable
    if subscription:
        return await foreground.answer(runtime, request, turn, subscription, keyed=keyed, waits=waits)
    if slot:
        return response_stream.created(runtime, turn, slot, keyed=keyed, waits=waits)
    return await _answer(runtime, Stored(turn, None), ahead=None if waits else 0)


@router.get("")
async def list_responses(
    runtime: Runtime,
    owner: Owner,
    page_request: PageQuery,
    labels: Labels,
    status: Status | None = None,
    conversation: str | None = None,
) -> Response:
    """The caller's stored responses, newest first unless asked otherwise."""
    page = await runtime.read(
        responses.page, owner, page_request, labels=labels, status=status, conversation_id=conversation
    )
    return listed([_body(stored) for stored in page.entries], page.has_more)


@router.get("/{response_id}", dependencies=[INCLUDE])
async def get(
    response_id: str,
    runtime: Runtime,
    owner: Owner,
    stream: bool = False,
    starting_after: Annotated[int | None, Query(ge=-1, le=2**31 - 1)] = None,
) -> Response:
    """The response as it stands; with `stream=true`, its events after `starting_after`."""
    if stream:
        # The slot first: who is refused has seen nothing, and must not keep the turn from being started anew.
        with runtime.streams.take(owner) as slot:
            turn = await response_stream.open_turn(runtime, owner, response_id)
            response_stream.refuse_synchronous(turn)
            return response_stream.resumed(runtime, turn, slot, -1 if starting_after is None else starting_after)
    return await _answer(runtime, await find(runtime, owner, response_id))


@router.post("/{response_id}/cancel")
async def cancel(response_id: str, runtime: Runtime, owner: Owner) -> Response:
    """Stop a background response; once answered, it is cancelled for ever. Cancelling twice is no error."""
    stored = await _find_now(runtime, owner, response_id)
    _refuse_cancel(stored.turn)
    if stored.turn.status is not Status.CANCELLED and stored.turn.ending is None:
        ending = await runtime.begin_end(runtime.ender.begin, stored.turn, "cancelled")
        if ending:
            # What counts is decided; writing the end may take longer than the client should wait.
            await asyncio.wait({ending}, timeout=runtime.settings.cancel_wait_seconds)
        stored = await _find_now(runtime, owner, response_id)
        _refuse_cancel(stored.turn)
    return await _answer(runtime, stored)


@router.delete("/{response_id}")
async def delete(response_id: str, runtime: Runtime, owner: Owner) -> Response:
    """Erase a response that has ended."""
    if not await runtime.write(responses.remove, owner, response_id):
        await find(runtime, owner, response_id)
        raise InvalidRequest("Cannot delete an in-flight response.", "response_id", "invalid_request_error")
    return Json({"id": response_id, "object": "response", "deleted": True})


@router.get("/{response_id}/input_items", dependencies=[INCLUDE])
async def input_items(response_id: str, runtime: Runtime, owner: Owner, page_request: PageQuery) -> Response:
    """The response's own input, in pages."""
    await find(runtime, owner, response_id)
    page = await runtime.read(items.input_page, owner, response_id, page_request)
    data = await runtime.read(references.resolve, owner, [orjson.loads(item) for item in page.entries])
    return listed(data, page.has_more)


async def find(runtime: ApiRuntime, owner: str, response_id: str) -> Stored:
    """A response of this owner; raises NotFound for any other id."""
    return _found(await runtime.read(responses.get, owner, response_id), response_id)


async def _find_now(runtime: ApiRuntime, owner: str, response_id: str) -> Stored:
    return _found(await runtime.read_now(responses.get, owner, response_id), response_id)


def _found(stored: Stored | None, response_id: str) -> Stored:
    if stored is None:
        raise response_not_found(response_id)
    return stored


async def _repeat(request: Request, runtime: ApiRuntime, owner: str, response_id: str) -> Response:
    """The answer to a request whose key has made a turn already: the same, joined where it is now."""
    turn = await runtime.read(responses.get_turn, owner, response_id)
    if turn is None:
        raise response_not_found(response_id)
    if turn.stream:
        return response_stream.joined(runtime, turn, runtime.streams.take(owner))
    if turn.background:
        return await _answer(runtime, await find(runtime, owner, response_id))
    subscription = await runtime.feed.subscribe(response_id)
    subscription.wake()
    return await foreground.answer(runtime, request, turn, subscription, keyed=True, waits=True)


async def _listen(runtime: ApiRuntime, turn: Turn) -> Subscription:
    return runtime.feed.expect_end(turn.id) if turn.waiter else await runtime.feed.subscribe(turn.id)


async def _let_go(runtime: ApiRuntime, subscription: Subscription | None, slot: Slot | None) -> None:
    if slot:
        slot.let_go()
    if subscription:
        await runtime.feed.unsubscribe(subscription)


def _refuse_cancel(turn: Turn) -> None:
    decided = Status(turn.ending or turn.status)
    refusal = _CANCELLING.get(decided) if turn.background else "Cannot cancel a synchronous response."
    if refusal:
        raise InvalidRequest(refusal, "response_id", "invalid_request_error")


async def _answer(runtime: ApiRuntime, stored: Stored, ahead: int | None = None) -> Response:
    """The response as it stands; `ahead`: how many turns are before it, if that is known."""
    if stored.body is not None:
        return Response(stored.body, media_type="application/json")
    body = render_current(stored.turn)
    if stored.turn.status is Status.QUEUED:
        if ahead is None:
            ahead = await runtime.read(responses.turns_ahead, stored.turn.id)
        body["turnstone"]["queue_position"] = ahead
    headers = {"openai-poll-after-ms": str(runtime.settings.poll_after_ms)}
    return Json(body, headers=headers)


def _body(stored: Stored) -> ResponseBody:
    body: ResponseBody = render_current(stored.turn) if stored.body is None else orjson.loads(stored.body)
    return body
