"""A worker sees in SQL which of its turns are somebody else's, whether or not Redis tells it (G19, G20)."""

import threading
from collections.abc import Iterator

import pytest

from shared.core.turn import Turn
from shared.store import attempts
from shared.store.attempts import Fence
from shared.store.engine import Database
from tests.eventually import eventually
from tests.stored_turns import claim, claimed, create, expire, finish
from workers import overtaken_turns
from workers.overtaken_turns import OvertakenTurns


class Worker:
    """What runs in a worker process, and what it has given up."""

    def __init__(self, database: Database) -> None:
        self.held: list[Fence] = []
        self.given_up: list[Fence] = []
        self.looks = threading.Semaphore(0)
        self.overtaken = OvertakenTurns(database, self._held, self._give_up)

    def hold(self, turn: Turn) -> Fence:
        self.held.append((turn.id, turn.attempt))
        return self.held[-1]

    def has_looked(self) -> None:
        """Two looks have begun since now, so one is over."""
        for _ in range(2):
            while self.looks.acquire(blocking=False):
                pass
            assert self.looks.acquire(timeout=15)

    def _held(self) -> list[Fence]:
        self.looks.release()
        return list(self.held)

    def _give_up(self, fence: Fence) -> None:
        self.given_up.append(fence)
        self.held.remove(fence)


@pytest.fixture
def worker(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(overtaken_turns, "_LOOK_SECONDS", 0.01)
    worker = Worker(database)
    yield worker
    worker.overtaken.close()


def end_from_outside(database: Database, turn: Turn) -> None:
    with database.write() as connection:
        assert attempts.take_over(connection, turn.id, "cancelled", lease_seconds=30)


def test_what_was_ended_from_outside_is_given_up_and_nothing_else(database: Database, worker: Worker) -> None:
    running, cancelled = claimed(database), claimed(database)
    fences = [worker.hold(turn) for turn in (running, cancelled)]
    worker.has_looked()
    assert worker.given_up == []
    end_from_outside(database, cancelled)
    eventually(lambda: worker.given_up)
    assert worker.given_up == fences[1:]


def test_what_runs_elsewhere_by_now_is_given_up(database: Database, worker: Worker) -> None:
    turn = claimed(database)
    fence = worker.hold(turn)
    expire(database, turn.id)
    assert claim(database, turn.id)
    eventually(lambda: worker.given_up)
    assert worker.given_up == [fence]


def test_what_came_to_its_own_end_is_left_to_tell_of_it(database: Database, worker: Worker) -> None:
    """Its last events are on their way to its readers."""
    turn = claimed(database)
    worker.hold(turn)
    assert finish(database, turn)
    worker.has_looked()
    assert worker.given_up == []


def test_it_looks_again_after_an_outage_of_the_database(
    database: Database, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = claimed(database)
    worker.hold(turn)
    with monkeypatch.context() as outage:
        outage.setattr(database, "read", lambda: (_ for _ in ()).throw(ConnectionError))
        worker.has_looked()
    end_from_outside(database, turn)
    eventually(lambda: worker.given_up)


def test_nothing_is_asked_while_nothing_runs(
    database: Database, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(database)
    asked: list[object] = []
    monkeypatch.setattr(attempts, "overtaken", lambda _connection, held: asked.append(held) or [])
    worker.has_looked()
    assert asked == []
