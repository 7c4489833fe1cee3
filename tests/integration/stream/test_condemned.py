"""Connections are left once Redis has refused something: by now its name may stand for another server (G6)."""

import asyncio
import contextlib

import pytest
from redis.exceptions import ReadOnlyError

from shared.cli.embedded_valkey import EmbeddedValkey
from shared.metrics import RedisUse
from shared.redis_outages import outages
from shared.stream import condemned
from shared.stream.connections import connect, connect_async
from shared.stream.event_feed import EventFeed
from shared.stream.keys import Keys, Live
from tests.eventually import eventually_async


def refuse() -> None:
    """Redis has refused something, to whomever."""
    outages.failed(RedisUse.DISPATCH, ReadOnlyError("You can't write", status_code="READONLY"))


def test_an_idle_connection_is_opened_anew_after_a_refusal_and_only_then(redis_url: str) -> None:
    with connect(redis_url) as client:
        first = client.client_id()
        assert client.client_id() == first
        refuse()
        second = client.client_id()
        assert second != first
        assert client.client_id() == second


@pytest.mark.anyio
async def test_so_is_that_of_an_event_loop(redis_url: str) -> None:
    async with connect_async(redis_url) as client:
        first = await client.client_id()
        assert await client.client_id() == first
        refuse()
        second = await client.client_id()
        assert second != first
        assert await client.client_id() == second


@pytest.mark.anyio
async def test_a_feed_listens_on_a_new_connection_and_says_that_messages_may_be_missing(
    own_valkey: EmbeddedValkey, key_prefix: str
) -> None:
    keys = Keys(key_prefix)
    async with connect_async(own_valkey.url) as client, connect_async(own_valkey.url) as observer:
        feed = EventFeed(client, keys, "api")
        await feed.start()
        try:
            subscription = await feed.subscribe("resp_1")
            (before,) = await observer.client_list("pubsub")
            refuse()
            assert await subscription.wait(5)
            assert subscription.gap
            subscription.take()

            async def listens_anew() -> bool:
                there = [one["id"] for one in await observer.client_list("pubsub")]
                return len(there) == 1 and before["id"] not in there

            assert await eventually_async(listens_anew)
            await observer.publish(keys.live("resp_1"), Live(1, 0, 1, b"e").encode())
            assert await eventually_async(lambda: asyncio.sleep(0, subscription.take()))
        finally:
            await feed.close()


@pytest.mark.anyio
async def test_who_listens_is_stopped_although_it_swallows_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """As redis-py may, before Python 3.12."""
    monkeypatch.setattr(condemned, "_LOOK_SECONDS", 0.01)
    listening, over = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        listening.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        finally:
            over.set()

    task = asyncio.create_task(condemned.anew_after_refusals(listen))
    await listening.wait()
    task.cancel()
    await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 5)
    assert over.is_set()


@pytest.mark.anyio
async def test_who_fails_to_listen_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condemned, "_LOOK_SECONDS", 0.01)
    begun: list[None] = []

    async def listen() -> None:
        begun.append(None)
        raise OSError

    task = asyncio.create_task(condemned.anew_after_refusals(listen))
    assert await eventually_async(lambda: asyncio.sleep(0, len(begun) > 2))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
