"""The process's one publisher: all turns' new events in one call to Redis, as soon as the last call has returned."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from shared.backoff import Backoff
from shared.metrics import EVENTS_PUBLISHED, FENCED_WRITES, RedisUse
from shared.redis_outages import outages
from shared.store.attempts import Write
from shared.stream.connections import OUTAGE
from shared.stream.event_log import Append, EventLog
from shared.stream.scripts import NOT_MINE, REFUSED
from shared.turns.recovery import Recovery, tell

_MOST_EVENTS = 512
_MOST_BYTES = 256 * 1024
_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.25, 1.0

log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class TurnLog:
    """One attempt's frames, all kept in memory until the turn ends: what Redis loses is sent again from here.

    `sent` counts the frames that Redis is known to have. `lose` is called when a higher attempt is known.
    `begun` is set when the first append is over, whatever came of it: that one alone sets the fence without asking
    SQL, so output must not start before. Nothing is sent while `healing`, nor ever again once `dropped`. A log that
    Redis has lost is `rewritten` in one call: an end between two would take the first for all that was said. One that
    is `ended` is needed in Redis no longer: SQL has the end.
    """

    response_id: str
    attempt: int
    lose: Callable[[], None]
    frames: list[bytes] = field(default_factory=list)
    sent: int = 0
    healing: bool = False
    rewritten: bool = False
    dropped: bool = False
    ended: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    whole: asyncio.Event = field(default_factory=asyncio.Event)


class Publisher:
    """Appends to the event log for all turns of the process. A Redis error never fails a turn.

    `renew` asks SQL whether an attempt still holds its turn; it is asked before a log is written anew.
    """

    def __init__(self, event_log: EventLog, renew: Callable[[str, int], Awaitable[bool]]) -> None:
        self._event_log = event_log
        self._renew = renew
        self._dirty: dict[TurnLog, None] = {}
        self._wake = asyncio.Event()
        self._backoff = Backoff(_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        self._healing: set[asyncio.Task[None]] = set()

    def append(self, turn_log: TurnLog, frames: list[bytes]) -> None:
        """Have `frames` published with the next flush."""
        turn_log.frames.extend(frames)
        turn_log.whole.clear()
        self._mark(turn_log)

    def drop(self, turn_log: TurnLog) -> None:
        """Publish nothing more of this attempt, even if a call or a heal of it is under way."""
        turn_log.dropped = True
        self._dirty.pop(turn_log, None)

    async def flushed(self, turn_log: TurnLog, seconds: float) -> bool:
        """Wait until Redis has every frame; False when it still has not after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await turn_log.whole.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Flush for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._dirty:
                await self._flush()

    async def _flush(self) -> None:
        batch = self._take()
        try:
            results = await self._event_log.append([append for _, append in batch])
        except Exception as error:  # noqa: BLE001 - whatever it was: with the publisher, all streams of the process end
            outages.failed(RedisUse.PUBLISH, error)
            for turn_log, _ in batch:
                # The claim may be long ago when Redis is back: then SQL is asked before anything is written.
                turn_log.begun.set()
                self._mark(turn_log)
            await asyncio.sleep(self._backoff.next_seconds())
            return
        self._backoff.reset()
        outages.worked(RedisUse.PUBLISH)
        for (turn_log, _), result in zip(batch, results, strict=True):
            self._settle(turn_log, result)
        EVENTS_PUBLISHED.inc(sum(len(append.frames) for _, append in batch))

    def _take(self) -> list[tuple[TurnLog, Append]]:
        batch: list[tuple[TurnLog, Append]] = []
        events = size = 0
        for turn_log in list(self._dirty):
            if events >= _MOST_EVENTS or size >= _MOST_BYTES:
                break
            del self._dirty[turn_log]
            if turn_log.rewritten:
                frames = turn_log.frames[turn_log.sent :]
            else:
                frames = _some(turn_log.frames, turn_log.sent, _MOST_EVENTS - events, _MOST_BYTES - size)
            events += len(frames)
            size += sum(map(len, frames))
            batch.append((turn_log, self._append_of(turn_log, frames)))
        return batch

    def _append_of(self, turn_log: TurnLog, frames: list[bytes]) -> Append:
        claimed = not turn_log.begun.is_set()
        return Append(turn_log.response_id, turn_log.attempt, turn_log.sent, frames, claimed, turn_log.ended)

    def _settle(self, turn_log: TurnLog, result: int) -> None:
        if result == REFUSED:
            FENCED_WRITES.labels(Write.APPEND).inc()
            turn_log.lose()
        elif result == NOT_MINE:
            self._heal_in_background(turn_log)
        else:
            turn_log.begun.set()
            # Any other last number than the one we wrote up to: Redis lost some, or a repeated call found them there.
            turn_log.rewritten = result + 1 < turn_log.sent
            turn_log.sent = result + 1
            if turn_log.sent < len(turn_log.frames):
                self._mark(turn_log)
            else:
                turn_log.whole.set()

    def _heal_in_background(self, turn_log: TurnLog) -> None:
        turn_log.healing = True
        self._dirty.pop(turn_log, None)
        task = asyncio.create_task(self._heal(turn_log))
        self._healing.add(task)
        task.add_done_callback(self._healing.discard)

    async def _heal(self, turn_log: TurnLog) -> None:
        """The fence is gone: set it, ask SQL whether the turn is still ours, only then send again. In this order."""
        backoff = Backoff(_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        while not turn_log.dropped:
            held = await self._holds(turn_log)
            if held is None:
                await asyncio.sleep(backoff.next_seconds())
                continue
            turn_log.healing = False
            if held:
                tell(Recovery.LOG_HEALED, turn_log.response_id, turn_log.attempt)
                self._mark(turn_log)
            else:
                turn_log.lose()
            return

    async def _holds(self, turn_log: TurnLog) -> bool | None:
        """None while Redis or SQL is away; until both have answered, nothing is sent."""
        try:
            raised = await self._event_log.raise_fence(turn_log.response_id, turn_log.attempt)
            return raised and await self._renew(turn_log.response_id, turn_log.attempt)
        except OUTAGE as error:
            outages.failed(RedisUse.PUBLISH, error)
        except Exception as error:  # noqa: BLE001 - of whatever kind: the database did not say
            log.warning("heal_waits_for_database", response_id=turn_log.response_id, error=type(error).__name__)
        return None

    def _mark(self, turn_log: TurnLog) -> None:
        if turn_log.healing or turn_log.dropped:
            return
        self._dirty[turn_log] = None
        self._wake.set()


def _some(frames: list[bytes], start: int, most: int, most_bytes: int) -> list[bytes]:
    """Frames from `start` on, within the limits, but at least one, so that a huge event still travels."""
    taken = frames[start : start + most]
    size = 0
    for count, frame in enumerate(taken):
        size += len(frame)
        if size > most_bytes and count:
            return taken[:count]
    return taken
