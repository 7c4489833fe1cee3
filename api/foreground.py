"""Turns whose caller waits on the connection: for the end, or on the stream."""

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.caller import while_connected
from api.outage import outlast
from api.runtime import ApiRuntime
from shared import clock
from shared.core import sse_frame
from shared.core.turn import Turn
from shared.errors import Unavailable
from shared.store import responses
from shared.stream.event_feed import Subscription

_NO_WORKER = {"code": "server_error", "message": "No worker was free in time."}


async def answer(
    runtime: ApiRuntime, request: Request, turn: Turn, subscription: Subscription, *, keyed: bool, waits: bool
) -> Response:
    """The ended Response as JSON. A client that leaves first cancels the turn, unless it may come back (`keyed`).

    `waits`: the turn stands behind another one; its time to find a worker begins after that. Lets the subscription go.
    """
    runtime.attached[turn.id] += keyed
    runtime.watch.add(subscription)
    try:
        body = await while_connected(request, _end_of(runtime, turn, subscription, waits))
        return Response(body, media_type="application/json")
    except Exception:  # the client has left, or is told that it failed: either way nobody waits any more
        if not keyed:
            cancel(runtime, turn)
        raise
    finally:
        runtime.attached[turn.id] -= keyed
        runtime.watch.remove(subscription)
        await runtime.feed.unsubscribe(subscription)


def cancel(runtime: ApiRuntime, turn: Turn) -> None:
    """Have the turn of a client that has left ended; its upstream call stops. Returns at once and never fails."""

    async def end() -> None:
        row = await runtime.read_now(responses.get_turn, turn.owner, turn.id)
        if row and not row.terminal:
            await runtime.begin_end(runtime.ender.begin, row, "cancelled")

    runtime.spawn(outlast(end, "disconnect_waits_for_database", turn.id))


async def give_up_unclaimed(runtime: ApiRuntime, turn: Turn, *, waits: bool) -> None:
    """Fail the turn if no worker has claimed it within its time."""

    async def end() -> None:
        await runtime.begin_end(runtime.ender.begin_queued, turn, "failed", _NO_WORKER)

    async def ahead() -> int:
        return await runtime.read(responses.turns_ahead, turn.id)

    while waits:
        await asyncio.sleep(runtime.settings.foreground_queue_seconds)
        waits = bool(await outlast(ahead, "giving_up_waits_for_database", turn.id))
    await asyncio.sleep(runtime.settings.foreground_queue_seconds)
    await outlast(end, "giving_up_waits_for_database", turn.id)


async def _end_of(runtime: ApiRuntime, turn: Turn, subscription: Subscription, waits: bool) -> str | bytes:
    deadline = clock.monotonic() + runtime.settings.foreground_queue_seconds
    unclaimed = True
    while True:
        happened = await subscription.wait(max(0.0, deadline - clock.monotonic()) if unclaimed else 60)
        if not happened and waits:
            waits = bool(await runtime.read(responses.turns_ahead, turn.id))
            deadline = clock.monotonic() + runtime.settings.foreground_queue_seconds
            continue
        if not happened and unclaimed:
            unclaimed = False
            if await runtime.begin_end(runtime.ender.begin_queued, turn, "failed", _NO_WORKER):
                raise Unavailable(_NO_WORKER["message"], retry_after_seconds=5)
            continue
        if told := subscription.take():
            return _response_in(told[-1].frames)
        body = await runtime.read(responses.get_body, turn.owner, turn.id)
        if body is not None:
            return body


def _response_in(frame: bytes) -> bytes:
    """The Response in a terminal event, which was published because it is stored: no need to read it again."""
    return orjson.dumps(sse_frame.decode(frame)["response"])
