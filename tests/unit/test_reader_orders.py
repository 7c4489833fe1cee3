"""A reader hears of a turn by messages, by the log, by the row and by the journal, in any order: one whole stream.

Every way to the end is tried (G13, G14, G15): messages that come late or never, a row that tells the end before them,
a log that is gone, and a journal that is exact, lost, made anew from the Response, or deleted; of stored turns and
others.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.event_reader import EventReader, Sources
from shared.core import sse_frame
from shared.core.chunks import Chunk, Finish, Reasoning, Text, ToolCall
from shared.core.replay import continued, replay
from shared.core.response_fold import ResponseFold
from shared.core.response_render import lifecycle_events
from shared.core.turn import Turn
from shared.store import journals
from shared.store.journals import Recording
from shared.stream.event_feed import Subscription
from shared.stream.keys import Live
from shared.wire.response import LOST_NUMBER, Event
from tests.stream_rules import check_stream
from tests.unit.core.core_examples import final, log_of, turn

SAID: list[list[Chunk]] = [
    [Text("Hel"), Text("lo"), Finish("stop")],
    [Reasoning("Hm."), Text("Let me "), Text("look."), ToolCall(0, "c", "look_up", "{"), ToolCall(0, arguments="}")],
    [ToolCall(0, "a", "look_up", "{}"), ToolCall(1, "b", "look_up", "{}"), Text("Both.")],
]
RECORDINGS = ("exact", "lost", "made anew", "deleted")
STEPS = ("message", "messages", "lost message", "row", "log gone", "turn")


class Sight:
    """What a reader reads from, moved by hand."""

    def __init__(self, of: Turn, log: Sequence[Event], recording: str) -> None:
        self.turn, self.log, self._kind = of, log, recording
        self.frames = [sse_frame.encode(event) for event in log]
        self.subscription = Subscription(of.id)
        self.published = 0
        self.log_gone = False
        self.row_ended = False

    # -- what the reader asks -------------------------------------------------------------------------------

    async def subscribe(self, _response_id: str) -> Subscription:
        return self.subscription

    async def unsubscribe(self, _subscription: Subscription) -> None:
        pass

    def add(self, _subscription: Subscription) -> None:
        pass

    remove = add

    def ended(self, _subscription: Subscription) -> bool:
        return self.row_ended

    def work(self, _subscription: Subscription) -> int:
        return 0

    async def read(self, _response_id: str, _work: int, after: int, limit: int) -> list[bytes]:
        await asyncio.sleep(0)
        return [] if self.log_gone else self.frames[after + 1 : self.published][:limit]

    async def recording(self, _turn: Turn) -> Recording | None:
        await asyncio.sleep(0)
        body = final(self.log)
        match self._kind:
            case "exact":
                return Recording(journals.compress(self.frames), lost=False)
            case "made anew":
                anew = [sse_frame.encode(event) for event in replay(self.turn, body)]
                return Recording(journals.compress(anew), lost=False, exact=False)
            case "lost":
                opening = lifecycle_events(self.turn)
                events = opening + continued(ResponseFold.of(opening), body | {"output": []}, LOST_NUMBER)
                return Recording(journals.compress([sse_frame.encode(event) for event in events]), lost=True)
        return None

    # -- what happens ---------------------------------------------------------------------------------------

    def happen(self, step: str, count: int) -> None:
        if step == "row":
            self.row_ended = True
            self.subscription.wake()
        elif step == "log gone":
            self.log_gone = True
        elif step != "turn":
            self.publish(count if step == "messages" else 1, heard=step != "lost message")

    def publish(self, count: int, *, heard: bool) -> None:
        first = self.published
        frames = self.frames[first : first + count]
        self.published += len(frames)
        if frames and heard:
            self.subscription.put(Live(1, first, len(frames), b"".join(frames)))

    def end(self) -> None:
        self.row_ended = True
        self.subscription.wake()


async def read_through(sight: Sight, after: int, steps: Sequence[tuple[str, int]]) -> list[Event]:
    sources = Sources(sight, sight, sight, sight.recording)  # type: ignore[arg-type]  # one double for all of them
    frames: list[bytes] = []

    async def read() -> None:
        async for batch in EventReader(sources, sight.turn, after, 3600).batches():
            assert batch is not None
            frames.extend(sse_frame.split(batch.frames))

    reading = asyncio.create_task(read())
    for step, count in steps:
        sight.happen(step, count)
        for _ in range(count):
            await asyncio.sleep(0)
    sight.end()
    await asyncio.wait_for(reading, 10)
    return [sse_frame.decode(frame) for frame in frames]


@settings(deadline=None, max_examples=400)
@given(
    said=st.sampled_from(SAID),
    background=st.booleans(),
    store=st.booleans(),
    recording=st.sampled_from(RECORDINGS),
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 8)), max_size=14),
)
def test_whatever_comes_first_the_stream_is_whole(
    said: list[Chunk], background: bool, store: bool, recording: str, steps: list[tuple[str, int]]
) -> None:
    """Items done are the final output, nothing stays open, and no number is missing."""
    of = turn(background=background, store=store)
    log = log_of(of, said)
    sight = Sight(of, log, recording)
    events = asyncio.run(read_through(sight, -1, steps))
    check_stream(events)
    if recording in ("exact", "made anew"):
        assert events[-1]["response"] == final(log)


@settings(deadline=None, max_examples=200)
@given(
    said=st.sampled_from(SAID),
    after=st.integers(0, 12),
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 8)), max_size=14),
)
def test_a_reader_that_resumes_gets_exactly_the_rest(
    said: list[Chunk], after: int, steps: list[tuple[str, int]]
) -> None:
    """G14."""
    of = turn(background=True)
    log = log_of(of, said)
    after = min(after, len(log) - 2)
    sight = Sight(of, log, "exact")
    sight.published = after + 1
    assert asyncio.run(read_through(sight, after, steps)) == log[after + 1 :]


@pytest.mark.parametrize("store", [True, False])
def test_the_row_may_tell_the_end_before_the_last_message(store: bool) -> None:
    """The closing events of an unstored turn come from its journal as well."""
    of = turn(background=False, store=store)
    log = log_of(of, SAID[0])
    steps: list[tuple[str, Any]] = [("messages", 6), ("log gone", 1), ("row", 4)]
    assert asyncio.run(read_through(Sight(of, log, "exact"), -1, steps)) == log
