"""A worker's parts in this very process, over a model server that is told what to say; and sweepers of their own."""

from collections.abc import Iterator

import pytest

from shared.settings import Settings
from shared.store.engine import Database
from shared.stream.connections import connect
from shared.stream.freeze import LogFreezer
from shared.stream.keys import Keys
from shared.turns.ending import TurnEnder
from shared.turns.sweeper import Sweeper
from tests.integration.turns.sweepers import LEASE_SECONDS, Broker, NewSweeper
from tests.scripted_upstream import ScriptedUpstream
from tests.stored_turns import SHARE
from workers.runtime import WorkerRuntime


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    """The model server."""
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def runtime(
    sqlite_database_url: str, redis_url: str, key_prefix: str, upstream: ScriptedUpstream
) -> Iterator[WorkerRuntime]:
    """The worker's parts; no Celery brings it turns."""
    settings = Settings(
        database_url=sqlite_database_url,
        redis_url=redis_url,
        key_prefix=key_prefix,
        upstream_base_url=upstream.base_url,
    )
    runtime = WorkerRuntime(settings)
    yield runtime
    runtime.close()


@pytest.fixture
def broker() -> Broker:
    """The broker of the test's sweepers."""
    return Broker()


@pytest.fixture
def new_sweeper(database: Database, broker: Broker, redis_url: str, key_prefix: str) -> Iterator[NewSweeper]:
    """Makes sweepers; unless given other settings, they sweep when they are told to."""
    client = connect(redis_url)
    freezer = LogFreezer(client, Keys(key_prefix), 60)
    default = {"sweep_seconds": 3600, "lease_seconds": LEASE_SECONDS, "turns_per_owner": SHARE}
    ender = TurnEnder(database, freezer, broker, Settings(**default))  # type: ignore[arg-type]
    made: list[Sweeper] = []

    def make(**given: float) -> Sweeper:
        settings = Settings(**default | given)
        made.append(Sweeper(database, ender, broker, settings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for sweeper in made:
        sweeper.close()
    client.close()
