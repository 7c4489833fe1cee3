"""Streams of a turn's events: the one its POST opens, and those that come back to it later."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from api import foreground, sse
from api.runtime import ApiRuntime
from api.stream_limits import Slot
from shared.core.turn import Turn
from shared.errors import InvalidRequest, response_not_found
from shared.store import responses
from shared.store.engine import Connection

_RECONNECT_MS = 1000
_LARGEST = 2**31 - 1

Piece = TypeVar("Piece")


def created(runtime: ApiRuntime, turn: Turn, slot: Slot, *, keyed: bool, waits: bool) -> Response:
    """The stream of a turn just stored. A background turn runs on without its client, a `keyed` one for a while.

    `waits`: the turn stands behind another one.
    """
    pieces = sse.plain(runtime.reader(turn, -1).batches())
    if turn.background:
        return sse.EventStreamResponse(pieces, slot, until=runtime.stopping)
    watched = giving_up(runtime, turn, pieces, waits=waits)
    if keyed:
        return sse.EventStreamResponse(_attached(runtime, turn, watched), slot)
    return sse.EventStreamResponse(watched, slot, on_disconnect=lambda: foreground.cancel(runtime, turn))


def joined(runtime: ApiRuntime, turn: Turn, slot: Slot) -> Response:
    """The whole stream of a turn that an earlier request with the same key has made."""
    pieces = sse.plain(runtime.reader(turn, -1).batches())
    if turn.background:
        return sse.EventStreamResponse(pieces, slot, until=runtime.stopping)
    return sse.EventStreamResponse(_attached(runtime, turn, pieces), slot)


def resumed(runtime: ApiRuntime, turn: Turn, slot: Slot, after: int) -> Response:
    """The events with numbers above `after`, live or long after the end."""
    return sse.EventStreamResponse(sse.plain(runtime.reader(turn, after).batches()), slot, until=runtime.stopping)


def resumed_with_ids(runtime: ApiRuntime, turn: Turn, slot: Slot, after: int) -> Response:
    """The same, each event with its number as `id:`."""
    pieces = sse.with_ids(runtime.reader(turn, after).batches(), _RECONNECT_MS)
    return sse.EventStreamResponse(pieces, slot, until=runtime.stopping)


async def open_turn(runtime: ApiRuntime, owner: str, response_id: str) -> Turn:
    """The turn whose events are about to be read, marked as observed; raises NotFound."""
    turn = await runtime.write(_observed, owner, response_id)
    if turn is None:
        raise response_not_found(response_id)
    return turn


def refuse_synchronous(turn: Turn) -> None:
    """Raise InvalidRequest unless the turn was made in background."""
    if not turn.background:
        raise InvalidRequest(
            "This response cannot be streamed because it was not created with background=true.",
            "stream",
            "invalid_request_error",
        )


def last_event_id(request: Request, starting_after: int | None) -> int:
    """The number after which to go on: `Last-Event-ID` stands above the query; raises InvalidRequest."""
    given = request.headers.get("last-event-id")
    if given is None:
        return -1 if starting_after is None else starting_after
    if not (given.isascii() and given.isdigit() and int(given[:11]) <= _LARGEST):
        raise InvalidRequest("'Last-Event-ID' must be the number of an event.", "Last-Event-ID", "invalid_value")
    return int(given[:11])


def _observed(connection: Connection, owner: str, response_id: str) -> Turn | None:
    responses.observe(connection, owner, response_id)
    stored = responses.get(connection, owner, response_id)
    return stored.turn if stored else None


async def giving_up(
    runtime: ApiRuntime, turn: Turn, pieces: AsyncGenerator[Piece, None], *, waits: bool
) -> AsyncGenerator[Piece, None]:
    """The same pieces, with an end for turns that no worker claims in time."""
    watching = asyncio.create_task(foreground.give_up_unclaimed(runtime, turn, waits=waits))
    try:
        async for piece in pieces:
            yield piece
    finally:
        await sse.stop(watching)
        await pieces.aclose()


async def _attached(
    runtime: ApiRuntime, turn: Turn, pieces: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """The same pieces; as long as somebody takes them, the turn is not given up."""
    runtime.attached[turn.id] += 1
    try:
        async for piece in pieces:
            yield piece
    finally:
        runtime.attached[turn.id] -= 1
        await pieces.aclose()
