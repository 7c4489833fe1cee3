"""The log of a turn's events: appended in one step for many turns, by the newest attempt alone (G3, S4)."""

import pytest

from shared.stream.connections import AsyncRedis, connect
from shared.stream.event_log import Append, EventLog
from shared.stream.freeze import LogFreezer
from shared.stream.keys import ENDED_LOG_SECONDS, Keys, Live
from shared.stream.scripts import NOT_MINE, REFUSED

pytestmark = pytest.mark.anyio

TURN = "resp_1"
KEEP_SECONDS = 600


@pytest.fixture
def log(redis: AsyncRedis, keys: Keys) -> EventLog:
    return EventLog(redis, keys, KEEP_SECONDS)


def frames(first: int, count: int, text: str = "e") -> list[bytes]:
    return [b"%s%d\n\n" % (text.encode(), number) for number in range(first, first + count)]


async def append(
    log: EventLog, first: int, count: int, attempt: int = 1, claimed: bool = False, turn: str = TURN
) -> int:
    (result,) = await log.append([Append(turn, attempt, first, frames(first, count), claimed)])
    return result


async def everything(redis: AsyncRedis, keys: Keys) -> dict[bytes, object]:
    found: dict[bytes, object] = {}
    async for key in redis.scan_iter(f"{keys.prefix}:*"):
        found[key] = await (redis.get(key) if b":fence:" in key else redis.xrange(key))
    return found


async def test_the_first_append_after_a_claim_sets_the_fence(log: EventLog, redis: AsyncRedis, keys: Keys) -> None:
    assert await append(log, 0, 3, attempt=2, claimed=True) == 2
    assert await redis.get(keys.fence(TURN)) == b"2"
    assert await log.read(TURN, 2, -1, 10) == frames(0, 3)


async def test_appends_that_follow_on_answer_the_last_number(log: EventLog) -> None:
    assert await append(log, 0, 2, claimed=True) == 1
    assert await append(log, 2, 1) == 2
    assert await append(log, 3, 4) == 6
    assert await log.read(TURN, 1, -1, 100) == frames(0, 7)


async def test_without_a_fence_nothing_is_written(log: EventLog, redis: AsyncRedis, keys: Keys) -> None:
    """A flushed Redis: the worker must ask SQL before it writes anew."""
    assert await append(log, 0, 2) == NOT_MINE
    assert await everything(redis, keys) == {}


async def test_below_the_fence_of_an_earlier_attempt_nothing_is_written(
    log: EventLog, redis: AsyncRedis, keys: Keys
) -> None:
    await append(log, 0, 2, attempt=1, claimed=True)
    before = await everything(redis, keys)
    assert await append(log, 2, 1, attempt=2) == NOT_MINE
    assert await everything(redis, keys) == before


@pytest.mark.parametrize("claimed", [False, True])
async def test_a_stale_attempt_is_refused_and_writes_nothing(
    log: EventLog, redis: AsyncRedis, keys: Keys, claimed: bool
) -> None:
    """G3: a zombie is refused even if it has never written before, and nothing is published."""
    await append(log, 0, 1, attempt=2, claimed=True)
    before = await everything(redis, keys)
    async with redis.pubsub() as listener:
        await listener.subscribe(keys.live(TURN))
        await listener.get_message(timeout=5)
        assert await append(log, 0, 3, attempt=1, claimed=claimed) == REFUSED
        await redis.publish(keys.live(TURN), b"mark")
        message = await listener.get_message(timeout=5)
    assert message is not None
    assert message["data"] == b"mark"
    assert await everything(redis, keys) == before


@pytest.mark.parametrize(("first", "answer"), [(0, 2), (1, 2), (2, 2), (4, 2), (9, 2)])
async def test_a_number_out_of_turn_writes_nothing_and_answers_where_the_log_ends(
    log: EventLog, redis: AsyncRedis, keys: Keys, first: int, answer: int
) -> None:
    """A repeated call (its answer was lost) and a gap alike: the worker goes on from what is there."""
    await append(log, 0, 3, claimed=True)
    before = await everything(redis, keys)
    assert await append(log, first, 2) == answer
    assert await everything(redis, keys) == before


async def test_a_log_that_is_gone_answers_that_it_is_empty(log: EventLog, redis: AsyncRedis, keys: Keys) -> None:
    await append(log, 0, 3, claimed=True)
    await redis.delete(keys.log(TURN, 1))
    assert await append(log, 3, 1) == -1
    assert await append(log, 0, 4) == 3


async def test_each_attempt_has_a_log_of_its_own(log: EventLog) -> None:
    """G5: output of two attempts is never mixed."""
    await append(log, 0, 3, attempt=1, claimed=True)
    (result,) = await log.append([Append(TURN, 2, 0, frames(0, 2, "second"), claimed=True)])
    assert result == 1
    assert await log.read(TURN, 1, -1, 10) == frames(0, 3)
    assert await log.read(TURN, 2, -1, 10) == frames(0, 2, "second")


async def test_one_call_appends_to_many_turns_and_answers_each(log: EventLog) -> None:
    """Empty, refused and long ones among them do not shift the others' arguments."""
    await append(log, 0, 1, attempt=5, claimed=True, turn="stale")
    await append(log, 0, 2, claimed=True, turn="ahead")
    results = await log.append(
        [
            Append("new", 1, 0, frames(0, 3), claimed=True),
            Append("stale", 4, 0, frames(0, 2), claimed=True),
            Append("nobody", 1, 0, frames(0, 4)),
            Append("ahead", 1, 0, frames(0, 1)),
            Append("empty", 1, 0, [], claimed=True),
            Append("long", 1, 0, frames(0, 400), claimed=True),
        ]
    )
    assert results == [2, REFUSED, NOT_MINE, 1, -1, 399]
    assert await log.read("new", 1, -1, 10) == frames(0, 3)
    assert await log.read("long", 1, -1, 1000) == frames(0, 400)


async def test_what_is_appended_is_published_as_one_message(log: EventLog, redis: AsyncRedis, keys: Keys) -> None:
    async with redis.pubsub() as listener:
        await listener.subscribe(keys.live(TURN))
        await listener.get_message(timeout=5)
        await append(log, 0, 3, attempt=7, claimed=True)
        message = await listener.get_message(timeout=5)
    assert message is not None
    assert Live.decode(message["data"]) == Live(7, 0, 3, b"".join(frames(0, 3)))


@pytest.mark.parametrize(("after", "limit"), [(-1, 3), (-1, 100), (0, 1), (4, 5), (8, 5), (9, 5), (100, 5)])
async def test_reading_is_paged_by_number(log: EventLog, after: int, limit: int) -> None:
    """G14: exactly the events after N, at most `limit` of them."""
    await append(log, 0, 10, claimed=True)
    wanted = [b"e%d\n\n" % number for number in range(10) if number > after][:limit]
    assert await log.read(TURN, 1, after, limit) == wanted


async def test_reading_a_log_that_is_not_there_finds_nothing(log: EventLog) -> None:
    assert await log.read("resp_unknown", 1, -1, 10) == []


async def test_every_key_lives_for_a_while_after_its_last_append(log: EventLog, redis: AsyncRedis, keys: Keys) -> None:
    await append(log, 0, 1, claimed=True)
    names = (keys.fence(TURN), keys.log(TURN, 1))
    for name in names:
        await redis.expire(name, 5)
    await append(log, 1, 1)
    await log.raise_fence("resp_2", 1)
    for name in (*names, keys.fence("resp_2")):
        assert KEEP_SECONDS - 20 < await redis.ttl(name) <= KEEP_SECONDS


async def test_a_log_whose_turn_has_ended_lives_for_a_minute_more(log: EventLog, redis: AsyncRedis, keys: Keys) -> None:
    """G21: its text is in SQL by then, from where a DELETE erases it; the fence goes on to keep stale writers out."""
    await append(log, 0, 1, claimed=True)
    await log.append([Append(TURN, 1, 1, frames(1, 1), ended=True)])
    assert await log.read(TURN, 1, -1, 10) == frames(0, 2)
    assert 0 < await redis.ttl(keys.log(TURN, 1)) <= ENDED_LOG_SECONDS < KEEP_SECONDS - 20
    assert await redis.ttl(keys.fence(TURN)) > KEEP_SECONDS - 20


async def test_the_fence_only_rises(log: EventLog, redis: AsyncRedis, keys: Keys) -> None:
    assert await log.raise_fence(TURN, 3)
    assert await log.raise_fence(TURN, 3)
    assert not await log.raise_fence(TURN, 2)
    assert await redis.get(keys.fence(TURN)) == b"3"
    assert await log.raise_fence(TURN, 10)
    assert not await log.raise_fence(TURN, 9)


async def test_a_freeze_stops_the_log_and_returns_it(
    log: EventLog, redis_url: str, redis: AsyncRedis, keys: Keys
) -> None:
    """G20: after it, the cancelled worker cannot append; a second freeze says the same."""
    await append(log, 0, 12, claimed=True)
    client = connect(redis_url)
    freezer = LogFreezer(client, keys, KEEP_SECONDS)
    for _ in range(2):
        assert freezer.freeze(TURN, 2, 1) == frames(0, 12)
        assert await append(log, 12, 1) == REFUSED
    assert KEEP_SECONDS - 20 < await redis.ttl(keys.fence(TURN)) <= KEEP_SECONDS
    client.close()


async def test_a_freeze_never_lowers_the_fence_and_knows_an_empty_log(
    log: EventLog, redis_url: str, redis: AsyncRedis, keys: Keys
) -> None:
    await log.raise_fence(TURN, 5)
    client = connect(redis_url)
    assert LogFreezer(client, keys, KEEP_SECONDS).freeze(TURN, 2, 1) == []
    assert await redis.get(keys.fence(TURN)) == b"5"
    client.close()


async def test_the_log_works_after_redis_forgot_the_scripts(log: EventLog, redis: AsyncRedis) -> None:
    await append(log, 0, 1, claimed=True)
    await redis.script_flush()
    assert await append(log, 1, 1) == 1
