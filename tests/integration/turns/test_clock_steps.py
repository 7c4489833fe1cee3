"""The database's clock steps (NTP, a laptop or a virtual machine resumed): nobody who lives is taken for dead (G10)."""

import pytest
from sqlalchemy import update

from shared import clock
from shared.store import processes
from shared.store.database_clock import database_now
from shared.store.engine import Connection, Database
from shared.store.tables import API_PROCESS, RESPONSE
from shared.turns import sweeper
from tests.eventually import eventually
from tests.integration.turns.sweepers import LEASE_SECONDS, Broker, NewSweeper
from tests.stored_turns import change, claimed, create, expire, lost_in_sight, row

SWEEP_SECONDS = 5
STEP_SECONDS = 120


class Clocks:
    """This process's own clock and the database's, moved by hand; rows are judged by the database's real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.own = clock.monotonic()
        self.step = 0.0
        monkeypatch.setattr(clock, "monotonic", lambda: self.own)
        monkeypatch.setattr(sweeper, "read_clock", self._read)

    def _read(self, _connection: Connection) -> float:
        return 1e9 + self.own + self.step


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.mark.parametrize("step", [STEP_SECONDS, -STEP_SECONDS])
def test_after_a_step_leases_are_judged_only_a_lease_later(
    database: Database, new_sweeper: NewSweeper, clocks: Clocks, step: float
) -> None:
    """Its holder had no time to renew by the new clock."""
    sweeping = new_sweeper(sweep_seconds=SWEEP_SECONDS)
    sweeping.sweep()
    lost = lost_in_sight(database)
    clocks.step += step
    for _ in range(LEASE_SECONDS // SWEEP_SECONDS):
        sweeping.sweep()
        assert row(database, lost.id)["status"] == "in_progress"
        clocks.own += SWEEP_SECONDS
    sweeping.sweep()
    assert row(database, lost.id)["status"] == "failed"


def test_a_clock_that_runs_a_little_fast_is_no_step(
    database: Database, new_sweeper: NewSweeper, clocks: Clocks
) -> None:
    sweeping = new_sweeper(sweep_seconds=SWEEP_SECONDS)
    sweeping.sweep()
    lost = lost_in_sight(database)
    clocks.own += SWEEP_SECONDS
    clocks.step += 0.2
    sweeping.sweep()
    assert row(database, lost.id)["status"] == "failed"


def test_turns_are_not_older_after_a_step_forward(database: Database, new_sweeper: NewSweeper, clocks: Clocks) -> None:
    """By the clock it has run for a day; by any other measure it has not."""
    sweeping = new_sweeper(sweep_seconds=SWEEP_SECONDS, turn_seconds=60)
    sweeping.sweep()
    running = claimed(database)
    change(database, running.id, started_at=database_now() - 86_400)
    clocks.step += 86_400
    for _ in range(LEASE_SECONDS // SWEEP_SECONDS + 2):
        clocks.own += SWEEP_SECONDS
        sweeping.sweep()
    assert row(database, running.id)["status"] == "in_progress"


def test_a_lease_from_the_future_keeps_no_lost_turn(database: Database, new_sweeper: NewSweeper) -> None:
    """The clock stepped back by an hour since it was taken; a holder who lives would have renewed it."""
    lost = lost_in_sight(database)
    change(database, lost.id, lease_until=database_now() + 3600)
    sweeping = new_sweeper()
    sweeping.sweep()
    sweeping.sweep()
    assert row(database, lost.id)["status"] == "failed"


def test_a_lease_that_was_just_taken_is_no_such_one(database: Database, new_sweeper: NewSweeper) -> None:
    held = claimed(database)
    for _ in range(2):
        new_sweeper().sweep()
    assert row(database, held.id)["status"] == "in_progress"
    assert row(database, held.id)["lease_until"] > row(database, held.id)["started_at"]


def test_a_message_from_the_future_is_sent_again(database: Database, new_sweeper: NewSweeper, broker: Broker) -> None:
    """A turn whose message is lost waits no hour for it."""
    queued = create(database, created_at=int(clock.now()))
    change(database, queued.id, dispatched_at=database_now() + 7200)
    new_sweeper().sweep()
    assert broker.sent == [queued.id]


def test_a_process_seen_in_the_future_is_unseen(database: Database, new_sweeper: NewSweeper) -> None:
    """Nobody runs a turn for a caller whose process died before the clock stepped back."""
    with database.write() as connection:
        processes.beat(connection, processes.API, "api_1", "1")
    waiting = claimed(database, background=False, waiter="api_1")
    new_sweeper().sweep()
    assert row(database, waiting.id)["status"] == "in_progress"
    with database.write() as connection:
        connection.execute(update(API_PROCESS).values(seen_at=database_now() + 3600))
    new_sweeper().sweep()
    assert row(database, waiting.id)["status"] == "cancelled"


def test_what_is_not_to_be_stored_outlives_a_step_while_it_is_held(
    database: Database, new_sweeper: NewSweeper, clocks: Clocks
) -> None:
    """A live connection holds it anew each twenty seconds."""
    sweeping = new_sweeper(sweep_seconds=SWEEP_SECONDS)
    sweeping.sweep()
    ended = claimed(database, store=False)
    expire(database, ended.id)
    with database.write() as connection:
        due = {"status": "completed", "erase_at": database_now() - 1, "lease_until": None}  # as by the new clock
        connection.execute(update(RESPONSE).where(RESPONSE.c.id == ended.id).values(**due))
    clocks.step += STEP_SECONDS
    for _ in range(2):  # once the second is begun, the first is over
        sweeping.sweep()
        eventually(lambda: not sweeping._purger._woken.is_set())
    assert row(database, ended.id)["status"] == "completed"
