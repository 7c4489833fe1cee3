"""What must happen now stands behind nothing that may wait: neither ordinary requests nor ends that wait for Redis."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api import drain, foreground
from api.runtime import ApiRuntime
from shared.settings import Settings
from shared.store import responses
from shared.store.engine import Connection, Database
from shared.stream.freeze import LogFreezer
from tests.eventually import eventually_async
from tests.stored_turns import claimed, create, row

pytestmark = pytest.mark.anyio

# More than any pool has threads.
MANY = 40
SECONDS = 10


class Hold:
    """Makes whatever comes to it wait."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self.came = threading.Semaphore(0)

    def wait(self, *_: Any) -> None:
        self.came.release()
        self._over.wait(30)

    def let_go(self) -> None:
        self._over.set()


@pytest.fixture
def hold() -> Hold:
    return Hold()


@pytest.fixture
async def runtime(
    hold: Hold, database_url: str, redis_url: str, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ApiRuntime]:
    monkeypatch.setattr(drain, "stop_event", asyncio.Event)
    settings = Settings(
        database_url=database_url, redis_url=redis_url, key_prefix=key_prefix, upstream_base_url="http://127.0.0.1:1/v1"
    )
    runtime = ApiRuntime(settings)
    await runtime.start()
    yield runtime
    hold.let_go()
    await runtime.close()


def slow_queries(runtime: ApiRuntime, hold: Hold) -> list[asyncio.Task[None]]:
    """More of them than there are threads for ordinary requests."""

    def slow(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT 1")
        hold.wait()

    return [asyncio.create_task(runtime.read(slow)) for _ in range(MANY)]


async def test_ends_are_decided_while_slow_queries_have_all_ordinary_threads(
    runtime: ApiRuntime, hold: Hold, database: Database
) -> None:
    """G20, G19, and G17: nobody takes the process for dead meanwhile."""
    turn, left, queued = claimed(database), claimed(database, background=False), create(database)
    waiting = slow_queries(runtime, hold)
    await asyncio.to_thread(hold.came.acquire)
    async with asyncio.timeout(SECONDS):
        stored = await runtime.read_now(responses.get, turn.owner, turn.id)
        assert stored
        assert await runtime.begin_end(runtime.ender.begin, stored.turn, "cancelled")
        assert await runtime.begin_end(runtime.ender.begin_queued, queued, "failed", {"code": "x", "message": "x"})
        foreground.cancel(runtime, left)
        await runtime._say_alive()
    assert row(database, turn.id)["ending"] == "cancelled"
    assert row(database, queued.id)["status"] == "failed"
    await eventually_async(lambda: _is(database, left.id, "cancelled"))
    hold.let_go()
    await asyncio.gather(*waiting)


async def test_ends_are_decided_while_others_wait_for_redis(
    runtime: ApiRuntime, hold: Hold, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G20: more than can be written at once."""
    monkeypatch.setattr(LogFreezer, "freeze", hold.wait)
    turns = [claimed(database) for _ in range(MANY)]
    async with asyncio.timeout(SECONDS):
        ends = [await runtime.begin_end(runtime.ender.begin, turn, "cancelled") for turn in turns]
    assert [row(database, turn.id)["ending"] for turn in turns] == ["cancelled"] * MANY
    hold.let_go()
    assert await asyncio.gather(*filter(None, ends)) == [True] * MANY


async def _is(database: Database, response_id: str, ending: str) -> bool:
    return bool(row(database, response_id)["ending"] == ending)
