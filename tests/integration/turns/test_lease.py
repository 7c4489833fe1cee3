"""Leases are kept while the worker lives, and their loss is heard (G4, G7, Q1)."""

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event

from shared.core.turn import Turn
from shared.store import attempts
from shared.store.engine import Database
from shared.turns.lease import LeaseKeeper
from tests.eventually import eventually
from tests.stored_turns import claim, create, expire, row

LEASE_SECONDS = 0.15
DEADLINE_SECONDS = 15.0


@pytest.fixture
def keeper(database: Database) -> Iterator[LeaseKeeper]:
    keeper = LeaseKeeper(database, LEASE_SECONDS)
    yield keeper
    keeper.close()


def held(database: Database) -> Turn:
    """A turn under a lease as short as the keeper's, which every renewal prolongs."""
    turn = claim(database, create(database).id, lease_seconds=LEASE_SECONDS)
    assert turn is not None
    return turn


def fence(turn: Turn) -> tuple[str, int]:
    return turn.id, turn.attempt


def never() -> None:
    pytest.fail("a lease was lost that nobody took")


def lease(database: Database, turn: Turn) -> float:
    until: float = row(database, turn.id)["lease_until"]
    return until


def is_renewed(database: Database, turn: Turn) -> Callable[[], bool]:
    before = lease(database, turn)
    return lambda: lease(database, turn) > before


def test_a_lease_is_renewed_again_and_again(database: Database, keeper: LeaseKeeper) -> None:
    turn = held(database)
    keeper.hold(fence(turn), never)
    for _ in range(3):
        eventually(is_renewed(database, turn))


def test_all_leases_of_a_process_are_renewed_in_one_statement(database: Database) -> None:
    """A statement each, for hundreds of turns, would keep the database from its work."""
    turns = [held(database) for _ in range(20)]
    renewed = [is_renewed(database, turn) for turn in turns]
    statements: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: statements.append(statement)
    )
    keeper = LeaseKeeper(database, LEASE_SECONDS)
    for turn in turns:
        keeper.hold(fence(turn), never)
    eventually(lambda: any("UPDATE" in statement for statement in statements))
    keeper.close()
    assert all(is_done() for is_done in renewed)
    rounds = [statement for statement in statements if statement.startswith("UPDATE")]
    assert all("RETURNING" in statement for statement in rounds)
    assert len(rounds) < len(turns) / 2


def test_a_released_lease_is_left_alone(database: Database, keeper: LeaseKeeper) -> None:
    kept, released = held(database), held(database)
    for turn in (kept, released):
        keeper.hold(fence(turn), never)
    keeper.release(fence(released))
    eventually(is_renewed(database, kept))
    left = lease(database, released)
    for _ in range(3):
        eventually(is_renewed(database, kept))
    assert lease(database, released) == left


@pytest.mark.parametrize("taker", ["worker", "ender"])
def test_who_lost_its_turn_is_told_once(database: Database, keeper: LeaseKeeper, taker: str) -> None:
    """G3: to another worker, or to a cancel; the process's other turns go on."""
    lost, kept = held(database), held(database)
    told: list[str] = []
    heard = threading.Event()

    def on_lost() -> None:
        told.append(threading.current_thread().name)
        heard.set()

    if taker == "worker":
        expire(database, lost.id)
        assert claim(database, lost.id) is not None
    else:
        with database.write() as connection:
            assert attempts.take_over(connection, lost.id, "cancelled", lease_seconds=30)
    keeper.hold(fence(lost), on_lost)
    keeper.hold(fence(kept), never)
    assert heard.wait(DEADLINE_SECONDS)
    for _ in range(3):
        eventually(is_renewed(database, kept))
    assert told == ["leases"]


def test_a_database_error_ends_no_lease(database: Database, keeper: LeaseKeeper) -> None:
    """G7: nobody is told that it lost its turn, and renewals go on when the database is back."""
    turn = held(database)
    failed = threading.Event()
    event.listen(database.engine, "handle_error", lambda _context: failed.set())
    _rename(database, "response", "away")
    keeper.hold(fence(turn), never)
    assert failed.wait(DEADLINE_SECONDS)
    _rename(database, "away", "response")
    eventually(is_renewed(database, turn))


def test_one_lease_can_be_asked_for_at_once(database: Database, keeper: LeaseKeeper) -> None:
    """What a heal does before it writes a log anew."""
    turn = held(database)
    expire(database, turn.id)
    assert keeper.renew_now(fence(turn))
    assert claim(database, turn.id) is None
    expire(database, turn.id)
    assert claim(database, turn.id) is not None
    assert not keeper.renew_now(fence(turn))


def test_a_closed_keeper_lets_leases_run_out(database: Database) -> None:
    keeper = LeaseKeeper(database, LEASE_SECONDS)
    turn = held(database)
    keeper.hold(fence(turn), never)
    eventually(is_renewed(database, turn))
    keeper.close()
    expire(database, turn.id)
    assert claim(database, turn.id) is not None


def _rename(database: Database, old: str, new: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")
