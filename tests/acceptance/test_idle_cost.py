"""An idle server costs the same however much is stored (Q1)."""

import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from shared.settings import Settings
from shared.store.engine import Database
from shared.store.schema import migrate
from tests.services import Postgres
from tests.stack import Stack
from tests.stored_past import fill

STORED = 1_000_000
SETTLE_SECONDS = 5
MEASURED_SECONDS = 30
MOST = 1.2
NOISE = 0.003
"""Of a core: what a second run of the same differs by."""


@pytest.mark.release
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_million_stored_responses_cost_an_idle_server_nothing(
    kind: str, new_stack: Callable[..., Stack], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """API and worker, each beside itself over an empty store."""
    shares = []
    for stored in (0, STORED):
        url = f"sqlite:///{tmp_path / f'{stored}.sqlite3'}"
        if kind == "postgres":
            postgres: Postgres = request.getfixturevalue("postgres")
            url = postgres.create_database(f"idle_{uuid4().hex[:12]}")
        migrate(Settings(database_url=url))
        if stored:
            fill(Database(Settings(database_url=url).sql_url), stored, statistics=False)
        with new_stack(database_url=url) as stack:
            time.sleep(SETTLE_SECONDS)
            shares.append({process.name: idle_share(process.pid) for process in [*stack.apis, *stack.workers]})
    empty, full = shares
    assert all(full[name] <= empty[name] * MOST + NOISE for name in empty), (empty, full)


def idle_share(pid: int) -> float:
    """The share of a core that a process takes while nothing happens."""
    process = psutil.Process(pid)
    before = process.cpu_times()
    time.sleep(MEASURED_SECONDS)
    after = process.cpu_times()
    return round((after.user + after.system - before.user - before.system) / MEASURED_SECONDS, 4)
