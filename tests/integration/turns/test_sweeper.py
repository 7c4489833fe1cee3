"""The sweeper's own rules: what the broker lacks and no more, no judgement after an outage, no end of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared import clock
from shared.core.turn import Turn
from shared.store import responses
from shared.store.engine import Database
from shared.stream.freeze import LogFreezer
from shared.turns.ending import Rest, TurnEnder
from shared.turns.sweeper import Sweeper
from tests.eventually import eventually
from tests.integration.turns.sweepers import LEASE_SECONDS, Broker, NewSweeper
from tests.stored_turns import answered, canary, change, claimed, create, lost_in_sight, row

SWEEP_SECONDS = 5
LONG_AGO = 1.0


class Time:
    """The process's own clock, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = clock.monotonic()
        monkeypatch.setattr(clock, "monotonic", lambda: self.now)


def silent_turns(database: Database, count: int) -> list[str]:
    turns = [create(database, created_at=int(clock.now())).id for _ in range(count)]
    for response_id in turns:
        change(database, response_id, dispatched_at=LONG_AGO)
    return turns


@pytest.mark.parametrize(("waiting", "sent"), [(0, 4), (3, 1), (4, 0), (9, 0)])
def test_no_more_messages_are_sent_than_the_broker_lacks(
    database: Database, new_sweeper: NewSweeper, broker: Broker, waiting: int, sent: int
) -> None:
    """Q1: a long healthy queue gets none."""
    silent_turns(database, 4)
    broker.waiting = waiting
    new_sweeper().sweep()
    assert len(broker.sent) == sent


def test_a_broker_that_is_away_keeps_no_lost_turn_waiting(
    database: Database, new_sweeper: NewSweeper, broker: Broker
) -> None:
    """G6: what needs no broker is done, and nothing is marked as sent."""
    (silent,) = silent_turns(database, 1)
    lost = lost_in_sight(database)
    broker.away = True
    sweeper = new_sweeper()
    sweeper.sweep()
    assert row(database, lost.id)["status"] == "failed"
    broker.away = False
    sweeper.sweep()
    assert broker.sent == [silent]


def test_after_an_outage_leases_are_judged_only_a_lease_later(
    database: Database, new_sweeper: NewSweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G7: nobody could renew meanwhile; other work goes on."""
    time = Time(monkeypatch)
    sweeper = new_sweeper(sweep_seconds=SWEEP_SECONDS)
    lost = lost_in_sight(database)
    time.now += LEASE_SECONDS / 2 + SWEEP_SECONDS + 1
    for _ in range(LEASE_SECONDS // SWEEP_SECONDS):
        sweeper.sweep()
        assert row(database, lost.id)["status"] == "in_progress"
        time.now += SWEEP_SECONDS
    sweeper.sweep()
    assert row(database, lost.id)["status"] == "failed"


def test_without_an_outage_leases_are_judged_at_once(
    database: Database, new_sweeper: NewSweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G4: a sweep that comes a little late is no outage."""
    time = Time(monkeypatch)
    sweeper = new_sweeper(sweep_seconds=SWEEP_SECONDS)
    lost = lost_in_sight(database)
    time.now += LEASE_SECONDS / 2
    sweeper.sweep()
    assert row(database, lost.id)["status"] == "failed"


def test_a_sweep_that_fails_is_not_the_last(new_sweeper: NewSweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Q1: whatever it was."""
    sweeps = 0

    def fail(_sweeper: Sweeper) -> None:
        nonlocal sweeps
        sweeps += 1
        raise RuntimeError

    monkeypatch.setattr(Sweeper, "sweep", fail)
    new_sweeper(sweep_seconds=0.01)
    eventually(lambda: sweeps > 2)


def test_what_was_deleted_is_soon_not_in_sqlites_files_either(new_sweeper: NewSweeper, database: Database) -> None:
    """G21. While it is stored it is in one of them, or this test would not know what it does."""
    text = canary()
    turn = answered(database, text, text)
    assert on_disk(database, text) or database.engine.name != "sqlite"
    with database.write() as connection:
        assert responses.remove(connection, turn.owner, turn.id)
    new_sweeper().sweep()
    assert not on_disk(database, text)


def on_disk(database: Database, text: str) -> bool:
    """Whether the text can be read in a file of an SQLite database."""
    path = Path(database.engine.url.database or "")
    return any(text.encode() in file.read_bytes() for file in path.parent.glob(f"{path.name}*") if file.is_file())


def test_all_ends_are_decided_before_any_waits_for_redis(
    database: Database, new_sweeper: NewSweeper, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G4, G17: of whatever kind, and more of them than can wait together; so is all else that a sweep does."""
    back, hangs = threading.Event(), threading.Event()
    monkeypatch.setattr(broker, "depth", lambda: hangs.wait(30) and 0)
    monkeypatch.setattr(LogFreezer, "freeze", lambda *_: back.wait(30) and None)
    lost = [lost_in_sight(database).id for _ in range(12)]
    old = [claimed(database).id for _ in range(12)]
    for response_id in old:
        change(database, response_id, started_at=LONG_AGO)
    (silent,) = silent_turns(database, 1)
    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(new_sweeper().sweep)
        eventually(lambda: all(row(database, one)["ending"] == "failed" for one in lost + old))
        hangs.set()
        eventually(lambda: broker.sent == [silent])
        back.set()
        sweeping.result(30)
    assert {row(database, one)["status"] for one in lost + old} == {"failed"}


def test_a_turn_that_cannot_be_ended_keeps_no_other_from_its_end(
    database: Database, new_sweeper: NewSweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, lost = lost_in_sight(database).id, lost_in_sight(database).id
    begin = TurnEnder.begin_lost

    def fail(ender: TurnEnder, turn: Turn, error: dict[str, str]) -> Rest | None:
        if turn.id == broken:
            raise ValueError
        return begin(ender, turn, error)

    monkeypatch.setattr(TurnEnder, "begin_lost", fail)
    new_sweeper().sweep()
    assert row(database, lost)["status"] == "failed"
