"""The worker's publisher: whatever happens to Redis, each event is in the log once, or nothing is (S4, G3, G6)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from shared.cli.embedded_valkey import EmbeddedValkey
from shared.stream.connections import connect_async
from shared.stream.event_log import Append, EventLog
from shared.stream.keys import Keys
from workers.publisher import Publisher, TurnLog

pytestmark = pytest.mark.anyio

TURN = "resp_1"
DEADLINE_SECONDS = 15.0

Before = Callable[[], Awaitable[None]]


class WatchedLog(EventLog):
    """The real log; notes its calls, and can fail before or after Redis has done the work."""

    calls: list[list[Append]]
    fail_before: int = 0
    failure: type[Exception] = TimeoutError
    fail_after: int = 0
    gate: asyncio.Event | None = None

    async def append(self, appends: Sequence[Append]) -> list[int]:
        self.calls.append(list(appends))
        if self.gate is not None:
            await self.gate.wait()
        if self.fail_before:
            self.fail_before -= 1
            raise self.failure
        results = await super().append(appends)
        if self.fail_after:
            self.fail_after -= 1
            raise TimeoutError
        return results


class Worker:
    """A publisher with what it stands on, and the questions it asked SQL."""

    def __init__(self, url: str, prefix: str) -> None:
        self.keys = Keys(prefix)
        self.redis = connect_async(url)
        self.log = WatchedLog(self.redis, self.keys, 60)
        self.log.calls = []
        self.lost = asyncio.Event()
        self.asked: list[tuple[str, int]] = []
        self.holds = True
        self.outages_of_sql = 0
        self.on_renew: Before | None = None
        self.publisher = Publisher(self.log, self._renew)

    def turn(self, attempt: int = 1, name: str = TURN) -> TurnLog:
        turn_log = TurnLog(name, attempt, lambda: self._lose(turn_log))
        return turn_log

    def _lose(self, turn_log: TurnLog) -> None:
        self.publisher.drop(turn_log)
        self.lost.set()

    async def written(self, attempt: int = 1, name: str = TURN) -> list[bytes]:
        return await self.log.read(name, attempt, -1, 10_000)

    async def flushed(self, turn_log: TurnLog) -> None:
        assert await self.publisher.flushed(turn_log, DEADLINE_SECONDS)

    async def _renew(self, response_id: str, attempt: int) -> bool:
        self.asked.append((response_id, attempt))
        if self.on_renew is not None:
            await self.on_renew()
        if self.outages_of_sql:
            self.outages_of_sql -= 1
            raise TimeoutError
        return self.holds


@contextlib.asynccontextmanager
async def working(url: str, prefix: str) -> AsyncIterator[Worker]:
    worker = Worker(url, prefix)
    running = asyncio.create_task(worker.publisher.run())
    yield worker
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await worker.redis.aclose()


@pytest.fixture
async def worker(redis_url: str, key_prefix: str) -> AsyncIterator[Worker]:
    async with working(redis_url, key_prefix) as worker:
        yield worker


@pytest.fixture
async def alone(own_valkey: EmbeddedValkey, key_prefix: str) -> AsyncIterator[Worker]:
    """With a Valkey of its own, to be flushed and stopped."""
    async with working(own_valkey.url, key_prefix) as worker:
        yield worker


def frames(count: int, first: int = 0, size: int = 0) -> list[bytes]:
    return [b"e%d" % number + b"." * size + b"\n\n" for number in range(first, first + count)]


async def test_events_of_many_turns_travel_in_one_call(worker: Worker) -> None:
    turns = [worker.turn(name=f"turn{number}") for number in range(50)]
    for turn_log in turns:
        worker.publisher.append(turn_log, frames(3))
    for turn_log in turns:
        await worker.flushed(turn_log)
        assert await worker.written(name=turn_log.response_id) == frames(3)
    assert [len(call) for call in worker.log.calls] == [50]


async def test_what_comes_during_a_call_travels_together_in_the_next(worker: Worker) -> None:
    """The flush has no tick: batches form by themselves."""
    worker.log.gate = asyncio.Event()
    turn_log = worker.turn()
    worker.publisher.append(turn_log, frames(1))
    await asyncio.sleep(0)
    for number in range(1, 40):
        worker.publisher.append(turn_log, frames(1, number))
        await asyncio.sleep(0)
    worker.log.gate.set()
    await worker.flushed(turn_log)
    assert [len(append.frames) for (append,) in worker.log.calls] == [1, 39]
    assert await worker.written() == frames(40)


async def test_a_call_is_bounded_in_events_and_in_bytes(worker: Worker) -> None:
    """Redis does nothing else meanwhile; one event larger than the bound still travels, alone."""
    many, large, huge = (worker.turn(name=name) for name in ("many", "large", "huge"))
    worker.publisher.append(many, frames(1500))
    await worker.flushed(many)
    worker.publisher.append(large, frames(20, size=50_000))
    await worker.flushed(large)
    worker.publisher.append(huge, frames(2, size=600_000))
    await worker.flushed(huge)
    assert await worker.written(name="many") == frames(1500)
    assert await worker.written(name="large") == frames(20, size=50_000)
    assert await worker.written(name="huge") == frames(2, size=600_000)
    for (append,) in worker.log.calls:
        assert 0 < len(append.frames) <= 512
        assert sum(map(len, append.frames)) <= 256 * 1024 or len(append.frames) == 1


async def test_a_flushed_redis_gets_everything_again(alone: Worker) -> None:
    """S4: not a token is lost; SQL is asked first, and the fence stands before it is asked."""
    seen: list[tuple[bytes | str | None, int]] = []

    async def look() -> None:
        fence = await alone.redis.get(alone.keys.fence(TURN))
        seen.append((fence, await alone.redis.xlen(alone.keys.log(TURN, 3))))

    alone.on_renew = look
    turn_log = alone.turn(attempt=3)
    alone.publisher.append(turn_log, frames(5))
    await alone.flushed(turn_log)
    assert alone.asked == []
    await alone.redis.flushall()
    alone.publisher.append(turn_log, frames(2, 5))
    await alone.flushed(turn_log)
    assert await alone.written(attempt=3) == frames(7)
    assert alone.asked == [(TURN, 3)]
    assert seen == [(b"3", 0)]
    assert not alone.lost.is_set()


@pytest.mark.parametrize("count", [1500, 40], ids=["many", "large"])
async def test_a_lost_log_is_written_again_in_one_call(alone: Worker, count: int) -> None:
    """G5: an end between two calls would take the first for all that was said."""
    said = frames(count, size=30_000 if count == 40 else 0)
    turn_log = alone.turn()
    alone.publisher.append(turn_log, said)
    await alone.flushed(turn_log)
    await alone.redis.flushall()
    alone.log.calls.clear()
    alone.publisher.append(turn_log, frames(1, count))
    await alone.flushed(turn_log)
    written = [len(append.frames) for (append,) in alone.log.calls if append.first == 0]
    assert written == [count + 1]
    assert await alone.written() == said + frames(1, count)


async def test_a_flushed_redis_gets_nothing_from_a_worker_that_lost_its_turn(alone: Worker) -> None:
    """G3: the fence is gone with the flush, so SQL says no."""
    turn_log = alone.turn()
    alone.publisher.append(turn_log, frames(5))
    await alone.flushed(turn_log)
    await alone.redis.flushall()
    alone.holds = False
    alone.publisher.append(turn_log, frames(1, 5))
    await asyncio.wait_for(alone.lost.wait(), DEADLINE_SECONDS)
    assert await alone.written() == []


async def test_a_heal_waits_for_a_database_that_is_away(alone: Worker) -> None:
    turn_log = alone.turn()
    alone.publisher.append(turn_log, frames(2))
    await alone.flushed(turn_log)
    await alone.redis.flushall()
    alone.outages_of_sql = 2
    alone.publisher.append(turn_log, frames(1, 2))
    await alone.flushed(turn_log)
    assert await alone.written() == frames(3)
    assert len(alone.asked) == 3


async def test_until_sql_has_answered_nothing_is_sent(alone: Worker) -> None:
    """G3: the fence is set by then, so that only the worker's own patience keeps its events back."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        asked.set()
        await answer.wait()

    alone.on_renew = ask
    turn_log, other = alone.turn(), alone.turn(name="other")
    alone.publisher.append(turn_log, frames(2))
    await alone.flushed(turn_log)
    await alone.redis.flushall()
    alone.publisher.append(turn_log, frames(1, 2))
    await asyncio.wait_for(asked.wait(), DEADLINE_SECONDS)
    alone.publisher.append(turn_log, frames(1, 3))
    alone.publisher.append(other, frames(1))
    await alone.flushed(other)
    assert await alone.written() == []
    answer.set()
    await alone.flushed(turn_log)
    assert await alone.written() == frames(4)
    assert alone.asked == [(TURN, 1)]


async def test_a_log_that_vanished_under_its_fence_is_written_again(alone: Worker) -> None:
    turn_log = alone.turn()
    alone.publisher.append(turn_log, frames(3))
    await alone.flushed(turn_log)
    await alone.redis.delete(alone.keys.log(TURN, 1))
    alone.publisher.append(turn_log, frames(1, 3))
    await alone.flushed(turn_log)
    assert await alone.written() == frames(4)


async def test_a_stale_attempt_is_told_and_writes_nothing(worker: Worker) -> None:
    """G3, Q3: refused by the fence of its successor or of an ender."""
    await worker.log.raise_fence(TURN, 2)
    stale = worker.turn(attempt=1)
    worker.publisher.append(stale, frames(3))
    await asyncio.wait_for(worker.lost.wait(), DEADLINE_SECONDS)
    assert await worker.written(attempt=1) == []
    assert worker.asked == []


@pytest.mark.parametrize("failure", [TimeoutError, AttributeError, AssertionError])
async def test_no_failure_of_a_call_ends_the_publisher(worker: Worker, failure: type[Exception]) -> None:
    """G6: a connection that vanishes fails in ways of its own, and all turns of the process hang on this one loop."""
    worker.log.fail_before, worker.log.failure = 1, failure
    turn_log = worker.turn()
    worker.publisher.append(turn_log, frames(3))
    await worker.flushed(turn_log)
    assert await worker.written() == frames(3)


async def test_an_outage_of_redis_loses_nothing(alone: Worker, own_valkey: EmbeddedValkey) -> None:
    """S4, G6: stopped in mid-turn, events go on, started again and empty."""
    turn_log = alone.turn()
    alone.publisher.append(turn_log, frames(3))
    await alone.flushed(turn_log)
    await asyncio.to_thread(own_valkey.stop)
    failed = len(alone.log.calls)
    for number in range(3, 10):
        alone.publisher.append(turn_log, frames(1, number))
        await asyncio.sleep(0)
    assert not await alone.publisher.flushed(turn_log, 0.05)
    assert len(alone.log.calls) > failed
    await asyncio.to_thread(own_valkey.start)
    await alone.flushed(turn_log)
    assert await alone.written() == frames(10)


async def test_a_turn_claimed_during_an_outage_asks_sql_before_it_writes(worker: Worker) -> None:
    """The right to set the fence comes from a fresh claim; after an outage it is an old one."""
    worker.log.fail_before = 1
    turn_log = worker.turn()
    worker.publisher.append(turn_log, frames(2))
    await worker.flushed(turn_log)
    assert worker.asked == [(TURN, 1)]
    assert await worker.written() == frames(2)


@pytest.mark.parametrize("more", [0, 3])
async def test_a_call_whose_answer_was_lost_is_not_done_twice(worker: Worker, more: int) -> None:
    """An ambiguous timeout: Redis has the events already when they are sent again."""
    turn_log = worker.turn()
    worker.log.fail_after = 1
    worker.log.gate = asyncio.Event()
    worker.publisher.append(turn_log, frames(4))
    await asyncio.sleep(0)
    if more:
        worker.publisher.append(turn_log, frames(more, 4))
    worker.log.gate.set()
    await worker.flushed(turn_log)
    assert await worker.written() == frames(4 + more)


async def test_nothing_is_published_of_a_turn_that_was_dropped(worker: Worker) -> None:
    """G3: also when a call of it was under way, and failed."""
    worker.log.gate, worker.log.fail_before = asyncio.Event(), 1
    dropped, other = worker.turn(name="dropped"), worker.turn(name="other")
    worker.publisher.append(dropped, frames(1))
    await asyncio.sleep(0)
    worker.publisher.drop(dropped)
    worker.log.gate.set()
    worker.publisher.append(other, frames(1))
    await worker.flushed(other)
    assert await worker.written(name="dropped") == []
    assert {append.response_id for call in worker.log.calls[1:] for append in call} == {"other"}


async def test_flushed_gives_up_after_its_time(worker: Worker) -> None:
    worker.log.gate = asyncio.Event()
    turn_log = worker.turn()
    worker.publisher.append(turn_log, frames(1))
    assert not await worker.publisher.flushed(turn_log, 0.02)
    worker.log.gate.set()
    await worker.flushed(turn_log)
