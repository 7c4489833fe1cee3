"""What SQL knows of the queue is told within a second, whatever the database does; and to whom, while it is away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.exc import OperationalError

from api import key_ring, queue_figures
from api.key_ring import KeyRing
from api.queue_figures import QueueFigures, QueueWatch
from shared import clock, ids
from shared.core import api_key
from shared.core.api_key import ApiKey, Caller
from shared.errors import Unauthorized
from shared.store import api_keys, processes
from shared.store.engine import Database
from tests.figures import Figures
from tests.stored_turns import claimed, create

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

PATIENCE_SECONDS = 0.2


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (key_ring, queue_figures):
        monkeypatch.setattr(module, "_PATIENCE_SECONDS", PATIENCE_SECONDS)


class Line:
    """The way to a database that can be away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.away: Callable[[], Awaitable[Any]] | None = None
        self.reads = 0

    async def read(self, query: Callable[..., Any], *arguments: Any) -> Any:
        self.reads += 1
        if self.away:
            await self.away()
        with self._database.read() as connection:
            return query(connection, *arguments)


async def hangs() -> None:
    await asyncio.Event().wait()


async def refuses() -> None:
    raise OperationalError("SELECT 1", {}, Exception())


@pytest.fixture
def line(database: Database) -> Line:
    return Line(database)


def told(figures: QueueFigures) -> Figures:
    registry = CollectorRegistry()
    registry.register(figures)
    return Figures.of(generate_latest(registry).decode())


async def test_the_queue_is_told_by_tier_and_by_what_is_waited_for(line: Line, database: Database) -> None:
    create(database, request={"model": "m", "service_tier": "flex"})
    create(database, previous_response_id=claimed(database).id)
    found = told(await QueueWatch(line.read).figures())
    assert found.by("turnstone_queued_turns", "tier", "waiting_for") == {("flex", "worker"): 1, ("default", "turn"): 1}
    assert found.by("turnstone_running_turns", "tier") == {("default",): 1}
    assert found.total("turnstone_oldest_queued_seconds", tier="priority") == 0
    assert found.total("turnstone_database_up") == 1


async def test_processes_that_live_are_counted(line: Line, database: Database) -> None:
    with database.write() as connection:
        for name in ("one", "two"):
            processes.beat(connection, processes.WORKER, name, "1")
    found = told(await QueueWatch(line.read).figures())
    assert found.by("turnstone_live_processes", "kind") == {("worker",): 2}
    assert found.total("turnstone_live_processes", kind="api") == 0


async def test_many_readings_at_once_ask_once(line: Line) -> None:
    watch = QueueWatch(line.read)
    await asyncio.gather(*(watch.figures() for _ in range(20)))
    assert line.reads == 1


@pytest.mark.parametrize("away", [hangs, refuses])
async def test_without_the_database_there_are_no_figures_of_it_and_no_waiting(
    line: Line, away: Callable[[], Awaitable[Any]]
) -> None:
    watch = QueueWatch(line.read)
    line.away = away
    begun = clock.monotonic()
    found = told(await watch.figures())
    assert clock.monotonic() - begun < PATIENCE_SECONDS + 1
    assert found.total("turnstone_database_up") == 0
    assert found.samples("turnstone_queued_turns") == []


async def test_a_reading_that_hangs_is_waited_for_and_not_made_again(line: Line) -> None:
    watch = QueueWatch(line.read)
    line.away = hangs
    for _ in range(2):
        await watch.figures()
    assert line.reads == 1


@pytest.mark.parametrize("away", [hangs, refuses])
async def test_an_operator_of_a_minute_ago_reads_figures_in_an_outage(
    line: Line, database: Database, away: Callable[[], Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, guest = key_of(database, "operations"), key_of(database, "guest")
    ring = KeyRing(line.read)
    assert (await ring.caller_lately(operator)).owner == "operations"
    line.away = away
    later(monkeypatch, 60)
    assert (await ring.caller_lately(operator)).owner == "operations"
    with pytest.raises((OperationalError, TimeoutError)):
        await ring.caller_lately(guest)
    later(monkeypatch, 7200)
    with pytest.raises((OperationalError, TimeoutError)):
        await ring.caller_lately(operator)


async def test_a_server_without_keys_stays_one_in_an_outage(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing(line.read)
    line.away = refuses
    with pytest.raises(OperationalError):
        await ring.caller_lately(None)
    line.away = None
    assert (await ring.caller_lately(None)).admin
    line.away = refuses
    later(monkeypatch, 60)
    assert (await ring.caller_lately(None)).admin


async def test_a_key_that_is_none_opens_nothing_in_an_outage_either(line: Line, database: Database) -> None:
    key_of(database, "operations")
    ring = KeyRing(line.read)
    with pytest.raises(Unauthorized):
        await ring.caller_lately("wrong")
    line.away = refuses
    with pytest.raises(Unauthorized):
        await ring.caller_lately("wrong")


def key_of(database: Database, owner: str) -> str:
    key = ids.new_api_key()
    prefix = api_key.prefix_of(key)
    assert prefix
    with database.write() as connection:
        api_keys.add(connection, ApiKey(prefix, api_key.digest(key), Caller(owner, admin=True), clock.now()))
    return key


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now + seconds)
