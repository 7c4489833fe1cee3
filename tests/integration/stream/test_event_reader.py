"""One reader's stream out of log, channel and SQL: of one attempt, each number once, to its end (G5, G13, G15)."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from api.event_reader import EventReader, Sources
from api.row_watch import RowWatch
from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.store import journals
from shared.store.journals import Recording
from shared.store.responses import Sight
from shared.stream.connections import connect_async
from shared.stream.event_feed import EventFeed
from shared.stream.event_log import Append, EventLog
from shared.stream.keys import Keys, Live
from tests.stored_turns import new_turn

pytestmark = pytest.mark.anyio

END = "response.completed"
DEADLINE_SECONDS = 15.0
NEVER = 3600.0
OPENING = 3
"""The lifecycle events: a reader has them from the row."""


def frame(number: int, kind: str = "x", attempt: int = 1) -> bytes:
    return b'event: %s\ndata: {"type":"%s","sequence_number":%d,"attempt":%d}\n\n' % (
        kind.encode(),
        kind.encode(),
        number,
        attempt,
    )


class Reading:
    """A reader of a running turn, and all that it reads from."""

    def __init__(self, url: str, prefix: str) -> None:
        self.keys = Keys(prefix)
        self.turn: Turn = new_turn(status=Status.IN_PROGRESS, attempt=1)
        self.redis = connect_async(url)
        self.log = EventLog(self.redis, self.keys, 60)
        self._feed_redis = connect_async(url)
        self.feed = EventFeed(self._feed_redis, self.keys, "api")
        self.watch = RowWatch(self._look)
        self.sight = Sight(Status.IN_PROGRESS, 1)
        self.recorded: list[bytes] = []
        self.outages = 0
        sources = Sources(self.feed, self.log, self.watch, self._recording)
        self._batches = EventReader(sources, self.turn, -1, NEVER).batches()
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.feed.start()
        self._watching = asyncio.create_task(self.watch.run())
        assert await self.read(1) == [0, 1, 2]

    async def close(self) -> None:
        assert self._watching
        self._watching.cancel()
        await self._batches.aclose()
        await self.feed.close()
        await self._feed_redis.aclose()
        await self.redis.aclose()

    async def read(self, batches: int) -> list[int]:
        """The numbers of so many batches; each must say what its frames do."""
        numbers: list[int] = []
        for _ in range(batches):
            batch = await asyncio.wait_for(anext(self._batches), DEADLINE_SECONDS)
            assert batch is not None
            assert batch.frames.count(b"\n\n") == batch.count
            numbers += range(batch.first, batch.last + 1)
        return numbers

    async def go_live(self) -> None:
        """Up to number 3, which is heard before the log has it: from then on the reader looks at the channel first."""
        await self.append(0, OPENING)
        await self.publish(OPENING)
        assert await self.read(1) == [OPENING]
        await self.write(OPENING, 1)

    async def ended(self) -> bool:
        return await anext(self._batches, None) is None

    async def publish(self, first: int, count: int = 1, attempt: int = 1, kind: str = "x") -> None:
        """A live message, whatever is in the log."""
        frames = b"".join(frame(number, kind, attempt) for number in range(first, first + count))
        await self.redis.publish(self.keys.live(self.turn.id), Live(attempt, first, count, frames).encode())

    async def write(self, first: int, count: int, attempt: int = 1) -> None:
        """Into the log alone, as if the message had been lost."""
        for number in range(first, first + count):
            await self.redis.xadd(
                self.keys.log(self.turn.id, attempt), {"f": frame(number, attempt=attempt)}, f"{number + 1}-0"
            )

    async def append(self, first: int, count: int, attempt: int = 1) -> None:
        """As a worker does."""
        frames = [frame(number, attempt=attempt) for number in range(first, first + count)]
        await self.log.append([Append(self.turn.id, attempt, first, frames, claimed=first == 0)])

    async def _look(self, _response_ids: Sequence[str]) -> dict[str, Sight]:
        if self.outages:
            self.outages -= 1
            raise ConnectionError
        return {self.turn.id: self.sight}

    async def _recording(self, _turn: Turn) -> Recording:
        return Recording(journals.compress(self.recorded), lost=False)


@pytest.fixture
async def reading(redis_url: str, key_prefix: str) -> AsyncIterator[Reading]:
    reading = Reading(redis_url, key_prefix)
    await reading.start()
    yield reading
    await reading.close()


async def test_what_is_appended_is_read_as_it_comes(reading: Reading) -> None:
    await reading.append(0, OPENING)
    await reading.append(OPENING, 2)
    assert await reading.read(1) == [3, 4]
    await reading.publish(5, kind=END)
    assert await reading.read(1) == [5]
    assert await reading.ended()


async def test_what_an_earlier_attempt_says_is_dropped(reading: Reading) -> None:
    """G5: once a newer one has spoken."""
    await reading.publish(3, attempt=2)
    assert await reading.read(1) == [3]
    await reading.publish(4, attempt=1)
    await reading.publish(4, attempt=2, kind=END)
    batch = await asyncio.wait_for(anext(reading._batches), DEADLINE_SECONDS)
    assert batch == Live(2, 4, 1, frame(4, END, 2))


async def test_what_was_seen_is_not_told_again(reading: Reading) -> None:
    """G13: a message may begin before the last number seen."""
    await reading.publish(3, 2)
    assert await reading.read(1) == [3, 4]
    await reading.publish(2, 4)
    await reading.publish(3, 2)
    await reading.publish(6)
    assert await reading.read(2) == [5, 6]


async def test_a_gap_is_filled_from_the_log(reading: Reading) -> None:
    """G13: a message was lost on its way."""
    await reading.go_live()
    await reading.write(4, 2)
    await reading.append(6, 1)
    assert await reading.read(1) == [4, 5, 6]


async def test_after_a_break_of_the_connection_the_log_is_read(reading: Reading) -> None:
    """G6: what was published meanwhile is nowhere else."""
    await reading.go_live()
    await reading.write(4, 2)
    await reading.feed._resubscribe()
    assert await reading.read(1) == [4, 5]


async def test_an_end_that_nobody_published_is_found_in_sql(reading: Reading) -> None:
    """G15: with all that was missed before it, and as soon as the database answers."""
    reading.outages = 1
    await reading.publish(3)
    assert await reading.read(1) == [3]
    reading.recorded = [*(frame(number) for number in range(6)), frame(6, END)]
    reading.sight = Sight(Status.COMPLETED, 1)
    assert await reading.read(2) == [4, 5, 6]
    assert await reading.ended()


async def test_an_attempt_that_nobody_heard_of_is_found_in_sql(reading: Reading) -> None:
    """G15: its log has the events."""
    await reading.write(0, 5, attempt=2)
    reading.sight = Sight(Status.IN_PROGRESS, 2)
    assert await reading.read(1) == [3, 4]


async def test_a_long_journal_is_read_in_bounded_pieces(reading: Reading) -> None:
    """G18: as the reader asks for them, not all at once."""
    await reading.publish(3)
    assert await reading.read(1) == [3]
    long = [frame(number, "x" * 1000) for number in range(2000)]
    reading.recorded = [*long, frame(2000, END)]
    reading.sight = Sight(Status.COMPLETED, 1)
    batches = [batch async for batch in reading._batches if batch]
    assert b"".join(batch.frames for batch in batches) == b"".join(reading.recorded[4:])
    assert max(len(batch.frames) for batch in batches) < 300_000


async def test_a_long_log_is_read_in_bounded_pieces(reading: Reading) -> None:
    """G18: however large its events are."""
    size = 100_000
    large = [frame(number, "x" * size) for number in range(OPENING, OPENING + 100)]
    await reading.append(0, OPENING)
    await reading.log.append([Append(reading.turn.id, 1, OPENING, large)])
    batches = []
    while sum(batch.count for batch in batches) < len(large):
        batches.append(await asyncio.wait_for(anext(reading._batches), DEADLINE_SECONDS))
        assert batches[-1] is not None
    assert b"".join(batch.frames for batch in batches) == b"".join(large)
    assert sum(batch.count for batch in batches[1:]) > 0
    assert max(batch.count for batch in batches[1:]) * size <= 300_000
