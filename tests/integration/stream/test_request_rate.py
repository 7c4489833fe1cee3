"""Requests per minute: one count for all processes, a count of its own for each while Redis is away (Q6)."""

import pytest

from shared import clock
from shared.cli.embedded_valkey import EmbeddedValkey
from shared.errors import Limit, RateLimited
from shared.stream.connections import AsyncRedis, connect_async
from shared.stream.keys import Keys
from shared.stream.request_rate import RequestRate

pytestmark = pytest.mark.anyio

MOST = 3


async def admitted(rate: RequestRate, requests: int, owner: str = "alice") -> int:
    """How many of so many requests are let in."""
    refusals = []
    for _ in range(requests):
        try:
            await rate.admit(owner)
        except RateLimited as error:
            refusals.append(error)
    assert all(one.limit is Limit.REQUESTS_PER_MINUTE and 1 <= one.retry_after_seconds <= 60 for one in refusals)
    return requests - len(refusals)


async def test_processes_count_together_and_owners_apart(redis: AsyncRedis, keys: Keys) -> None:
    here, there = RequestRate(redis, keys, MOST), RequestRate(redis, keys, MOST)
    assert await admitted(here, 2) == 2
    assert await admitted(there, 5) == MOST - 2
    assert await admitted(there, 5, "bob") == MOST


async def test_the_minute_begins_with_the_first_request_and_is_told_truly(redis: AsyncRedis, keys: Keys) -> None:
    rate = RequestRate(redis, keys, MOST)
    assert await admitted(rate, MOST) == MOST
    await redis.pexpire(keys.requests("alice"), 12_345)
    with pytest.raises(RateLimited) as refused:
        await rate.admit("alice")
    assert refused.value.retry_after_seconds == 13
    await redis.delete(keys.requests("alice"))
    assert await admitted(rate, 1) == 1
    assert 59_000 < await redis.pttl(keys.requests("alice")) <= 60_000


async def test_without_a_limit_redis_is_not_asked(keys: Keys) -> None:
    nowhere = connect_async("redis://127.0.0.1:1")
    rate = RequestRate(nowhere, keys, 0)
    assert await admitted(rate, 10) == 10
    assert not nowhere.connection_pool._available_connections
    await nowhere.aclose()


async def test_while_redis_is_away_each_process_counts_for_itself(
    own_valkey: EmbeddedValkey, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    client = connect_async(own_valkey.url)
    rate = RequestRate(client, keys, MOST)
    own_valkey.stop()
    assert await admitted(rate, 5) == MOST
    assert await admitted(rate, 5, "bob") == MOST
    now += 60
    assert await admitted(rate, 5) == MOST
    own_valkey.start()
    assert await admitted(rate, 1) == 0
    now += 5
    assert await admitted(rate, 5) == MOST
    await client.aclose()
