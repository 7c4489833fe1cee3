"""A turn's events for one reader: from the live log, then live, and in the end from SQL, each number once."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from api.delivered import Delivered
from api.row_watch import RowWatch
from shared import clock
from shared.core import sse_frame
from shared.core.emission import Emission
from shared.core.replay import continued
from shared.core.response_render import lifecycle_events
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.metrics import EVENTS_DELIVERED, RedisUse
from shared.redis_outages import outages
from shared.store.journals import Recording
from shared.stream.connections import OUTAGE
from shared.stream.event_feed import EventFeed, Subscription
from shared.stream.event_log import EventLog
from shared.stream.keys import Live
from shared.wire.response import LOST_NUMBER, TERMINAL_EVENTS, Event

# What one reader has in hand at a time. The log is read by numbers of frames: by as many as the last ones were small.
_MOST_BYTES = 256 * 1024
_FIRST_FRAMES, _MOST_FRAMES = 32, 1000
# Of one stream: a count for each batch would cost a twentieth of what delivering it does.
_COUNTED_AT_ONCE = 100
_GONE = {"code": "server_error", "message": "The response was deleted before its stream came to the end."}
_TERMINAL_HEADS = tuple(f"event: {kind}\n".encode() for kind in TERMINAL_EVENTS)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where events come from. `recording` reads the journal of an ended turn; None when the turn is gone."""

    feed: EventFeed
    event_log: EventLog
    watch: RowWatch
    recording: Callable[[Turn], Awaitable[Recording | None]]


class EventReader:
    """Reads one turn's events after number `seen`. For one use: iterate `batches` once."""

    def __init__(self, sources: Sources, turn: Turn, after: int, idle_seconds: float) -> None:
        self._sources = sources
        self._turn = turn
        self._seen = after
        self._delivered = Delivered(whole=after < 0)
        self._uncounted = 0
        self._work = turn.work
        self._idle_seconds = idle_seconds
        self._finished = False
        self._at_once = _FIRST_FRAMES

    async def batches(self) -> AsyncGenerator[Live | None, None]:
        """Events in order, without gap or repeat, to the terminal one; None after each idle time.

        The order is what makes it whole: subscribe (and have it confirmed), then read the log, then go live.
        """
        if self._turn.terminal:
            try:
                async for batch in self._recorded(live=False):
                    yield batch
            finally:
                self._count()
            return
        subscription = await self._sources.feed.subscribe(self._turn.id)
        self._sources.watch.add(subscription)
        try:
            for batch in self._opening():
                yield batch
            while not self._finished:
                async for batch in self._logged():
                    yield batch
                async for idle_or_batch in self._live(subscription):
                    yield idle_or_batch
        finally:
            self._count()
            self._sources.watch.remove(subscription)
            await self._sources.feed.unsubscribe(subscription)

    def _opening(self) -> list[Live]:
        """The lifecycle events that the row alone tells, so that a queued stream shows its id at once."""
        turn = self._turn
        if not turn.logged:
            return []
        events = lifecycle_events(turn)
        known = events if turn.status is Status.IN_PROGRESS else events[: 2 if turn.background else 1]
        frames = [sse_frame.encode(event) for event in known]
        return self._accept(Live(self._work, 0, len(frames), b"".join(frames)))

    async def _logged(self) -> AsyncGenerator[Live, None]:
        while not self._finished:
            try:
                frames = await self._sources.event_log.read(self._turn.id, self._work, self._seen, self._at_once)
            except OUTAGE as error:
                outages.failed(RedisUse.READ, error)
                return
            outages.worked(RedisUse.READ)
            if not frames:
                return
            self._at_once = max(1, min(_MOST_FRAMES, _MOST_BYTES * len(frames) // sum(map(len, frames))))
            for batch in self._accept(Live(self._work, self._seen + 1, len(frames), b"".join(frames))):
                yield batch

    async def _live(self, subscription: Subscription) -> AsyncGenerator[Live | None, None]:
        """Live events until the end, or until the log must be read again."""
        while not self._finished:
            if not await subscription.wait(self._idle_seconds):
                yield None
                return
            gap = subscription.gap
            ended = self._sources.watch.ended(subscription)
            for message in subscription.take():
                if self._follows(message):
                    for batch in self._accept(message):
                        yield batch
                else:
                    gap = True
                    ended = ended or _ends(message.frames)
            if self._finished:
                return
            gap = self._new_attempt(self._sources.watch.work(subscription)) or gap
            if ended:
                async for batch in self._recorded(live=True):
                    yield batch
                return
            if gap:
                return

    def _count(self) -> None:
        EVENTS_DELIVERED.inc(self._uncounted)
        self._uncounted = 0

    def _follows(self, message: Live) -> bool:
        """Whether the message leaves no gap; a gap is filled from the log, an end out of turn from SQL."""
        self._new_attempt(message.work)
        return message.work < self._work or message.first <= self._seen + 1

    def _new_attempt(self, work: int) -> bool:
        newer = work > self._work
        if newer:
            self._work = work
        return newer

    def _accept(self, batch: Live) -> list[Live]:
        """What of the batch is new, as at most one batch."""
        if batch.work < self._work or batch.last <= self._seen:
            return []
        fresh = _after(batch, self._seen)
        self._finished = _ends(fresh.frames)
        return [self._handed(fresh)]

    async def _recorded(self, *, live: bool) -> AsyncGenerator[Live, None]:
        """The rest from the journal. A reader that was there live gets an end in any case."""
        self._finished = True
        recording = await self._sources.recording(self._turn)
        inexact = recording is None or recording.lost or not recording.exact
        if live and inexact and not self._delivered.complete:
            await self._recall()
        if recording is None:
            if live and self._delivered.begun:
                yield self._gone()
        elif inexact and self._delivered.output and self._delivered.complete:
            yield self._continued(recording)
        else:
            for batch in self._played(recording, live=live):
                yield batch

    async def _recall(self) -> None:
        """Read again in the log what was told, as far as it is there: it is when Redis was away for a moment only."""
        frames: list[bytes] = []
        while len(frames) <= self._seen:
            try:
                more = await self._sources.event_log.read(self._turn.id, self._work, len(frames) - 1, _MOST_FRAMES)
            except OUTAGE as error:
                outages.failed(RedisUse.READ, error)
                return
            if not more:
                return
            frames += more
        self._delivered.recall(frames[: self._seen + 1])

    def _played(self, recording: Recording, *, live: bool) -> Iterator[Live]:
        """The recording's frames with numbers above the last one seen."""
        frames = iter(recording)
        held, number = next(frames), 0
        rest, size = list[bytes](), 0
        for number, frame in enumerate(frames, start=1):
            if number - 1 > self._seen:
                rest.append(held)
                size += len(held)
            if size > _MOST_BYTES:
                yield self._next(rest)
                rest, size = [], 0
            held = frame
        if rest:
            yield self._next(rest)
        last = LOST_NUMBER if recording.lost else number
        if last > self._seen:
            yield self._handed(Live(self._work, last, 1, held))
        elif live:
            event = sse_frame.decode(held)
            event["sequence_number"] = self._seen + 1
            yield self._next([sse_frame.encode(event)])

    def _continued(self, recording: Recording) -> Live:
        """What was told and the recording have no numbers in common: from here on, by the Response alone."""
        *_, last = recording
        number = LOST_NUMBER if recording.lost else None
        return self._closing(continued(self._delivered.fold(), sse_frame.decode(last)["response"], number))

    def _gone(self) -> Live:
        """The turn was deleted before its reader came to the end: what was begun is closed all the same."""
        emission = Emission(self._delivered.fold())
        emission.end(Outcome(status=Status.FAILED, at=clock.now(), error=_GONE))
        return self._closing(emission.take())

    def _closing(self, events: list[Event]) -> Live:
        frames = [sse_frame.encode(event) for event in events]
        return self._handed(Live(self._work, self._seen + 1, len(frames), b"".join(frames)))

    def _next(self, frames: list[bytes]) -> Live:
        """Frames as the batch that follows what was seen."""
        return self._handed(Live(self._work, self._seen + 1, len(frames), b"".join(frames)))

    def _handed(self, batch: Live) -> Live:
        self._seen = batch.last
        self._delivered.add(batch.frames)
        self._uncounted += batch.count
        if self._uncounted >= _COUNTED_AT_ONCE:
            self._count()
        return batch


def _after(batch: Live, seen: int) -> Live:
    known = seen + 1 - batch.first
    if known <= 0:
        return batch
    frames = sse_frame.split(batch.frames)[known:]
    return Live(batch.work, seen + 1, len(frames), b"".join(frames))


def _ends(frames: bytes) -> bool:
    """Whether the last of the joined frames is a terminal event."""
    start = frames.rfind(sse_frame.END, 0, -len(sse_frame.END))
    return frames.startswith(_TERMINAL_HEADS, 0 if start < 0 else start + len(sse_frame.END))
