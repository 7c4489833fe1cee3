"""Live events for many readers over one connection: none is lost without the reader being told (S1, S5, S6)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from shared.cli.embedded_valkey import EmbeddedValkey
from shared.stream import event_feed
from shared.stream.connections import connect_async
from shared.stream.event_feed import EventFeed, Subscription
from shared.stream.keys import Keys, Live
from tests.eventually import eventually_async

pytestmark = pytest.mark.anyio

PROCESS = "api"
READERS = 200
DEADLINE_SECONDS = 15.0
MESSAGE_BYTES = 64 * 1024
MOST_BYTES = 1024 * 1024


class Deployment:
    """A feed under one prefix, with a second client that plays worker and observer."""

    def __init__(self, url: str, prefix: str) -> None:
        self.keys = Keys(prefix)
        self.observer: Redis = connect_async(url)
        self._client = connect_async(url)
        self.feed = EventFeed(self._client, self.keys, PROCESS)

    async def publish(self, response_id: str, number: int, frames: bytes = b"e") -> int:
        return int(await self.observer.publish(self.keys.live(response_id), Live(1, number, 1, frames).encode()))

    async def subscribers(self, response_id: str) -> int:
        ((_, count),) = await self.observer.pubsub_numsub(self.keys.live(response_id))
        return int(count)

    async def connections(self) -> int:
        return len(await self.observer.client_list("pubsub"))

    async def close(self) -> None:
        await self.feed.close()
        await self._client.aclose()
        await self.observer.aclose()


@pytest.fixture
async def here(redis_url: str, key_prefix: str) -> AsyncIterator[Deployment]:
    deployment = Deployment(redis_url, key_prefix)
    await deployment.feed.start()
    yield deployment
    await deployment.close()


@pytest.fixture
async def alone(own_valkey: EmbeddedValkey, key_prefix: str) -> AsyncIterator[Deployment]:
    """With a Valkey of its own, to be stopped."""
    deployment = Deployment(own_valkey.url, key_prefix)
    await deployment.feed.start()
    yield deployment
    await deployment.close()


async def read(subscription: Subscription, count: int) -> list[Live]:
    messages: list[Live] = []
    while len(messages) < count:
        assert await subscription.wait(DEADLINE_SECONDS), f"{len(messages)} of {count} messages came"
        messages += subscription.take()
    return messages


async def test_after_subscribing_the_server_knows_the_reader(here: Deployment) -> None:
    """S1: the confirmation was awaited, so that nothing published from now on is missed."""
    subscription = await here.feed.subscribe("a")
    assert await here.subscribers("a") == 1
    assert await here.publish("a", 7) == 1
    assert await read(subscription, 1) == [Live(1, 7, 1, b"e")]
    assert not subscription.gap


async def test_subscribing_waits_for_the_servers_confirmation(alone: Deployment) -> None:
    """S1: sent is not subscribed; a server that is busy takes its time."""
    await alone.feed.subscribe("connected")
    await alone.observer.client_pause(300)
    subscribing = asyncio.create_task(alone.feed.subscribe("a"))
    early, _ = await asyncio.wait({subscribing}, timeout=0.1)
    assert not early
    await subscribing
    assert await alone.subscribers("a") == 1


async def test_200_readers_that_come_at_once_all_hear_over_one_connection(alone: Deployment) -> None:
    """S1: concurrent first subscribes open stray connections in redis-py; whoever sat on one heard nothing."""
    names = [f"turn{number}" for number in range(READERS)]
    subscriptions = await asyncio.gather(*map(alone.feed.subscribe, names))
    assert await alone.connections() == 1
    for number, name in enumerate(names):
        assert await alone.publish(name, number) == 1
    heard = await asyncio.gather(*(read(subscription, 1) for subscription in subscriptions))
    assert [message.first for (message,) in heard] == list(range(READERS))


async def test_readers_of_one_turn_hear_the_same_and_others_nothing(here: Deployment) -> None:
    first, second = await here.feed.subscribe("a"), await here.feed.subscribe("a")
    other = await here.feed.subscribe("b")
    for number in range(5):
        await here.publish("a", number)
    await here.publish("b", 99)
    assert await read(first, 5) == await read(second, 5)
    assert [message.first for message in await read(other, 1)] == [99]


async def test_a_reader_that_left_is_unsubscribed_at_once(here: Deployment) -> None:
    """S5: leaked subscriptions have killed all streaming after a day elsewhere."""
    first, second = await here.feed.subscribe("a"), await here.feed.subscribe("a")
    await here.feed.unsubscribe(first)
    assert await here.publish("a", 1) == 1
    assert [message.first for message in await read(second, 1)] == [1]
    assert first.take() == []
    await here.feed.unsubscribe(second)
    await eventually_async(lambda: _is_zero(here, "a"))
    await here.feed.unsubscribe(second)


async def test_a_reader_that_leaves_while_it_subscribes_is_unsubscribed(alone: Deployment) -> None:
    await alone.feed.subscribe("connected")
    await alone.observer.client_pause(300)
    subscribing = asyncio.create_task(alone.feed.subscribe("a"))
    await asyncio.wait({subscribing}, timeout=0.1)
    subscribing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await subscribing
    await eventually_async(lambda: _is_zero(alone, "a"))


async def _is_zero(here: Deployment, name: str) -> bool:
    return await here.subscribers(name) == 0


async def test_whoever_comes_back_right_away_hears_again(here: Deployment) -> None:
    """Leaving and coming at the same moment: the last word counts."""
    for number in range(30):
        subscription = await here.feed.subscribe("a")
        leaving = asyncio.create_task(here.feed.unsubscribe(subscription))
        back = await here.feed.subscribe("a")
        await leaving
        assert await here.publish("a", number) == 1
        assert [message.first for message in await read(back, 1)] == [number]
        await here.feed.unsubscribe(back)


async def test_a_slow_reader_costs_bounded_memory_and_delays_nobody(here: Deployment) -> None:
    """S5, G18: it loses what it did not take, and is told so."""
    slow, quick = await here.feed.subscribe("a"), await here.feed.subscribe("a")
    count = 4 * MOST_BYTES // MESSAGE_BYTES
    for number in range(count):
        await here.publish("a", number, b"x" * MESSAGE_BYTES)
        assert [message.first for message in await read(quick, 1)] == [number]
    assert slow.gap
    assert not quick.gap
    assert sum(len(message.frames) for message in slow.take()) <= MOST_BYTES
    assert not slow.gap
    await here.publish("a", count)
    assert [message.first for message in await read(slow, 1)] == [count]


async def test_a_killed_connection_is_replaced_and_readers_are_told_of_the_gap(alone: Deployment) -> None:
    """S6: redis-py reconnects by itself and says nothing; messages may have passed meanwhile."""
    subscriptions = [await alone.feed.subscribe(name) for name in ("a", "b")]
    assert await alone.observer.client_kill_filter(_type="pubsub") == 1
    for subscription in subscriptions:
        assert await subscription.wait(DEADLINE_SECONDS)
        assert subscription.gap
    await _hear_again(alone, subscriptions)
    assert await alone.connections() == 1


async def test_a_second_confirmation_tells_of_a_gap(here: Deployment) -> None:
    """S6: it is all that shows when redis-py has reconnected in the middle of a command."""
    subscription = await here.feed.subscribe("a")
    await here.feed._resubscribe()
    assert await subscription.wait(DEADLINE_SECONDS)
    assert subscription.gap


async def test_a_restart_of_redis_is_survived_and_readers_are_told_of_the_gap(
    alone: Deployment, own_valkey: EmbeddedValkey
) -> None:
    """S6: the listener re-subscribes, to what is read now, in a server that knows nothing of it."""
    subscriptions = [await alone.feed.subscribe(name) for name in ("a", "b")]
    left = await alone.feed.subscribe("left")
    await asyncio.to_thread(own_valkey.stop)
    for subscription in subscriptions:
        assert await subscription.wait(DEADLINE_SECONDS)
        assert subscription.gap
    await alone.feed.unsubscribe(left)
    await asyncio.to_thread(own_valkey.start)
    await _hear_again(alone, subscriptions)


async def _hear_again(alone: Deployment, subscriptions: list[Subscription]) -> None:
    for subscription in subscriptions:
        heard: list[Live] = []
        while not heard:
            # Again, too, when a late confirmation of the subscription has told of one more gap.
            await eventually_async(lambda one=subscription: alone.publish(one.response_id, 100))
            assert await subscription.wait(DEADLINE_SECONDS)
            heard = subscription.take()
        assert {message.first for message in heard} == {100}


async def test_without_redis_a_reader_is_let_in_all_the_same(
    alone: Deployment, own_valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G15: it lives on SQL until Redis is back, and hears from then on."""
    monkeypatch.setattr(event_feed, "_CONFIRM_SECONDS", 0.05)
    await alone.feed.subscribe("before")
    await asyncio.to_thread(own_valkey.stop)
    async with asyncio.timeout(DEADLINE_SECONDS):
        subscription = await alone.feed.subscribe("a")
    await asyncio.to_thread(own_valkey.start)
    await _hear_again(alone, [subscription])


async def test_a_feed_may_start_before_redis_does(own_valkey: EmbeddedValkey, key_prefix: str) -> None:
    await asyncio.to_thread(own_valkey.stop)
    deployment = Deployment(own_valkey.url, key_prefix)
    await deployment.feed.start()
    await asyncio.to_thread(own_valkey.start)
    subscription = await deployment.feed.subscribe("a")
    await _hear_again(deployment, [subscription])
    await deployment.close()


async def test_two_deployments_on_one_redis_do_not_hear_each_other(here: Deployment, redis_url: str) -> None:
    """S6, S2."""
    there = Deployment(redis_url, here.keys.prefix + "-2")
    await there.feed.start()
    mine, theirs = await here.feed.subscribe("a"), await there.feed.subscribe("a")
    assert await here.publish("a", 1) == 1
    assert await there.publish("a", 2) == 1
    assert [message.first for message in await read(mine, 1)] == [1]
    assert [message.first for message in await read(theirs, 1)] == [2]
    await there.close()


async def test_a_caller_hears_the_end_of_its_turn_on_the_channel_of_its_process(here: Deployment) -> None:
    """And no other caller does; the turn needs no channel of its own."""
    await here.feed.subscribe("connected")
    mine, theirs = here.feed.expect_end("mine"), here.feed.expect_end("theirs")
    end = Live(1, 2, 1, b"e")
    await here.observer.publish(here.keys.ends(PROCESS), b"mine\n" + end.encode())
    assert await mine.wait(DEADLINE_SECONDS)
    assert mine.take() == [end]
    assert not await theirs.wait(0.01)
    assert await here.subscribers("mine") == 0


async def test_a_caller_who_has_left_hears_nothing(here: Deployment) -> None:
    await here.feed.subscribe("connected")
    left, stays = here.feed.expect_end("left"), here.feed.expect_end("stays")
    await here.feed.unsubscribe(left)
    for name in (b"left", b"stays"):
        await here.observer.publish(here.keys.ends(PROCESS), name + b"\n" + Live(1, 2, 1, b"e").encode())
    assert await stays.wait(DEADLINE_SECONDS)
    assert left.take() == []


async def test_a_reader_that_leaves_a_turn_takes_its_caller_nothing(here: Deployment) -> None:
    """Both may be at one process: the caller of the turn, and somebody who reads its events."""
    reader = await here.feed.subscribe("a")
    caller = here.feed.expect_end("a")
    await here.feed.unsubscribe(reader)
    await here.observer.publish(here.keys.ends(PROCESS), b"a\n" + Live(1, 2, 1, b"e").encode())
    assert await caller.wait(DEADLINE_SECONDS)
    assert caller.take() == [Live(1, 2, 1, b"e")]


async def test_callers_too_learn_that_messages_may_be_missing(alone: Deployment, own_valkey: EmbeddedValkey) -> None:
    """G6: then they look into SQL."""
    await alone.feed.subscribe("connected")
    caller = alone.feed.expect_end("a")
    own_valkey.stop()
    assert await caller.wait(DEADLINE_SECONDS)
    assert caller.gap
