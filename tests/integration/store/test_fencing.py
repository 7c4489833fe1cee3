"""Who lost a turn changes nothing, and a turn ends once (G2, G3, Q3)."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from shared.core.turn import Outcome, Turn
from shared.core.turn_status import TERMINAL, Status
from shared.store import attempts, journals, responses, shares, sweeping
from shared.store.attempts import Journal
from shared.store.engine import Connection, Database
from tests.stored_turns import (
    NOW,
    OWNER,
    SHARE,
    body_of,
    change,
    claim,
    claimed,
    completed,
    create,
    everything,
    expire,
    new_turn,
    row,
    said,
)

LEASE = 30.0
CANCELLED = Outcome(Status.CANCELLED, NOW)

Operation = Callable[[Connection, Turn], Any]


def finish(connection: Connection, turn: Turn) -> bool:
    body = body_of(turn, [said("late", "assistant")])
    journal = Journal(turn.work, journals.compress([b"event: x\ndata: {}\n\n"]))
    return attempts.finish(connection, (turn.id, turn.attempt), turn, body, completed(), journal)


def finish_ending(connection: Connection, turn: Turn) -> bool:
    body = body_of(turn, [said("late", "assistant")], CANCELLED)
    return attempts.finish_ending(connection, (turn.id, turn.attempt), turn, body, CANCELLED, None)


def end_queued(connection: Connection, turn: Turn) -> bool:
    return attempts.end_queued(connection, turn, body_of(turn, (), CANCELLED), CANCELLED, None)


def may_change_things(connection: Connection, turn: Turn) -> bool:
    return attempts.may_change_things(connection, (turn.id, turn.attempt))


def start_output(connection: Connection, turn: Turn) -> bool:
    return attempts.start_output(connection, (turn.id, turn.attempt))


def renew(connection: Connection, turn: Turn) -> bool:
    return bool(attempts.renew(connection, [(turn.id, turn.attempt)], lease_seconds=LEASE))


def claim_again(connection: Connection, turn: Turn) -> bool:
    return attempts.claim(connection, turn.id, worker="z", lease_seconds=LEASE) is not None


def take_over(connection: Connection, turn: Turn) -> bool:
    return attempts.take_over(connection, turn.id, "cancelled", lease_seconds=LEASE) is not None


def take_over_lost(connection: Connection, turn: Turn) -> bool:
    return attempts.take_over(connection, turn.id, "failed", lease_seconds=LEASE, only_lost=True) is not None


def sweep(connection: Connection, _turn: Turn) -> bool:
    found = [
        *sweeping.silent(connection, older_than_seconds=0, limit=9),
        *sweeping.restartable(connection, older_than_seconds=0, limit=9),
        *sweeping.lost(connection, limit=9),
        *sweeping.adopt_dead_enders(connection, lease_seconds=LEASE, limit=100),
        *sweeping.release(connection, owner_share=SHARE),
        *shares.pass_on(connection, new_turn(id="resp_parent"), SHARE),
    ]
    return bool(found)


def observe(connection: Connection, turn: Turn) -> bool:
    responses.observe(connection, OWNER, turn.id)
    return False


WORKERS_OWN: list[Operation] = [start_output, may_change_things, renew, finish]
FROM_OUTSIDE: list[Operation] = [claim_again, take_over, take_over_lost, finish_ending, end_queued, sweep, observe]


def do(database: Database, operation: Operation, turn: Turn) -> bool:
    with database.write() as connection:
        return bool(operation(connection, turn))


@contextmanager
def ends_guarded(database: Database) -> Iterator[None]:
    """Abort every UPDATE of a row that has ended, whatever it would change."""
    ended = "OLD.status IN ('completed', 'incomplete', 'failed', 'cancelled')"
    if database.engine.dialect.name == "sqlite":
        statements = [
            f"CREATE TRIGGER ended BEFORE UPDATE ON response WHEN {ended} BEGIN SELECT RAISE(ABORT, 'ended'); END"
        ]
    else:
        statements = [
            "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'ended'; END $$ LANGUAGE plpgsql",
            f"CREATE TRIGGER ended BEFORE UPDATE ON response FOR EACH ROW WHEN ({ended}) EXECUTE FUNCTION refuse()",
        ]
    with database.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    yield


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_no_operation_touches_a_turn_that_has_ended(database: Database, status: Status) -> None:
    """G2: statuses × operations, with a trigger that aborts every UPDATE of an ended row, a no-op one too."""
    turn = claimed(database)
    # The worst row there could be: every other column says that something may still be done.
    change(database, turn.id, status=status, waits_for="resp_parent", dispatched_at=None)
    expire(database, turn.id)
    before = everything(database)
    with ends_guarded(database):
        for operation in (*WORKERS_OWN, *FROM_OUTSIDE):
            if operation is not sweep:
                assert not do(database, operation, turn), operation.__name__
        assert everything(database) == before


def test_the_sweep_leaves_ended_turns_alone(database: Database) -> None:
    """G2: rows as real ends leave them."""
    turns = [claimed(database) for _ in range(2)]
    waiting = create(database, previous_response_id=turns[0].id)
    assert do(database, end_queued, waiting)
    assert all(do(database, finish, turn) for turn in turns)
    before = everything(database)
    with ends_guarded(database):
        assert not do(database, sweep, turns[0])
    assert everything(database) == before


def test_the_guard_itself_notices(database: Database) -> None:
    turn = claimed(database)
    assert do(database, finish, turn)
    with ends_guarded(database), pytest.raises(Exception, match="ended"):
        change(database, turn.id, observed=True)


@pytest.mark.parametrize("operation", WORKERS_OWN)
def test_a_worker_whose_turn_was_taken_over_cannot_write(database: Database, operation: Operation) -> None:
    """G3, stepped: A claims, its lease ends, B claims; nothing A does changes anything."""
    lost = claimed(database)
    expire(database, lost.id)
    successor = claim(database, lost.id, worker="B")
    assert successor is not None
    before = everything(database)
    assert not do(database, operation, lost)
    assert everything(database) == before
    assert do(database, operation, successor)


@pytest.mark.parametrize("operation", WORKERS_OWN)
def test_a_worker_whose_turn_is_being_ended_cannot_write(database: Database, operation: Operation) -> None:
    """G20: from the takeover on, under any number."""
    lost = claimed(database)
    assert do(database, take_over, lost)
    before = everything(database)
    for attempt in (1, 2):
        change_number = Turn(**{**_facts(lost), "attempt": attempt})
        assert not do(database, operation, change_number)
    assert everything(database) == before


@pytest.mark.parametrize("operation", WORKERS_OWN)
def test_a_worker_keeps_its_turn_although_its_lease_is_over_until_somebody_takes_it(
    database: Database, operation: Operation
) -> None:
    """Expiry alone ends nothing."""
    turn = claimed(database)
    expire(database, turn.id)
    assert do(database, operation, turn)


@pytest.mark.parametrize("operation", [*WORKERS_OWN, finish_ending])
def test_a_turn_that_was_never_claimed_or_never_was_cannot_be_written(database: Database, operation: Operation) -> None:
    queued = create(database)
    before = everything(database)
    for attempt, one in itertools.product((0, 1), (queued.id, "resp_unknown")):
        assert not do(database, operation, Turn(**{**_facts(queued), "id": one, "attempt": attempt}))
    assert everything(database) == before


def test_renew_tells_the_survivors_and_prolongs_them_alone(database: Database) -> None:
    held = [claimed(database) for _ in range(3)]
    lost, ending, ended = (claimed(database) for _ in range(3))
    expire(database, lost.id)
    assert claim(database, lost.id)
    assert do(database, take_over, ending)
    assert do(database, finish, ended)
    for turn in held:
        expire(database, turn.id)
    before = {turn.id: row(database, turn.id)["lease_until"] for turn in (*held, lost, ending)}
    fences = [(turn.id, turn.attempt) for turn in (*held, lost, ending, ended)]
    with database.write() as connection:
        survivors = attempts.renew(connection, fences, lease_seconds=LEASE)
        assert attempts.renew(connection, [], lease_seconds=LEASE) == set()
    assert survivors == {(turn.id, 1) for turn in held}
    after = {one: row(database, one)["lease_until"] for one in before}
    assert {one for one in after if after[one] > before[one]} == {turn.id for turn in held}


def test_finish_asks_the_fence_before_it_writes_anything(database: Database) -> None:
    """On Postgres the fenced UPDATE takes the row lock: an INSERT before it would not be safe."""
    turn = claimed(database)
    statements: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: statements.append(statement)
    )
    assert do(database, finish, turn)
    written = [statement.split()[0:3] for statement in statements if not statement.startswith("BEGIN")]
    assert [words[0] for words in written] == ["UPDATE", "INSERT", "INSERT"]
    statements.clear()
    assert not do(database, finish, turn)
    assert [statement.split()[0] for statement in statements if not statement.startswith("BEGIN")] == ["UPDATE"]


def test_a_finished_turn_holds_its_end_its_output_and_its_events(database: Database) -> None:
    """R1: status, output items and journal are one transaction."""
    turn = claimed(database)
    assert do(database, finish, turn)
    stored = row(database, turn.id)
    assert (stored["status"], stored["ended_at"], stored["lease_until"]) == ("completed", NOW + 5, None)
    with database.read() as connection:
        recording = journals.read(connection, OWNER, turn.id)
        assert recording is not None
        assert (list(recording), recording.lost) == ([b"event: x\ndata: {}\n\n"], False)
        assert journals.read(connection, "mallory", turn.id) is None


def test_the_events_of_an_unstored_turn_are_there_for_those_who_read_them_already(database: Database) -> None:
    """G13: a reader that hears of the end from the row; every other route answers 404."""
    turn = claimed(database, background=False, stream=True, store=False)
    assert do(database, finish, turn)
    with database.read() as connection:
        assert journals.read(connection, OWNER, turn.id) is not None
        assert journals.read(connection, "mallory", turn.id) is None
        assert responses.get(connection, OWNER, turn.id) is None


def test_an_end_from_outside_goes_in_two_steps_and_once(database: Database) -> None:
    """G20: takeover, then the end under the row's own `ending`; a second cancel finds nothing to take."""
    turn = claimed(database)
    with database.write() as connection:
        taken = attempts.take_over(connection, turn.id, "cancelled", lease_seconds=LEASE)
    assert taken is not None
    assert (taken.attempt, taken.work, taken.ending, taken.status) == (2, 1, "cancelled", Status.IN_PROGRESS)
    assert not do(database, take_over, turn)
    assert not do(database, end_queued, turn)
    as_failed = Turn(**{**_facts(taken), "ending": "failed"})
    assert not do(database, finish_ending, as_failed)
    assert not do(database, finish_ending, turn)
    assert do(database, finish_ending, taken)
    assert not do(database, finish_ending, taken)
    assert row(database, turn.id)["status"] == "cancelled"


def test_an_ender_that_died_is_resumed_under_its_own_number(database: Database) -> None:
    """The lease of an ender is judged as a worker's; attempt and ending stay."""
    turn = claimed(database)
    assert do(database, take_over, turn)
    with database.write() as connection:
        assert sweeping.adopt_dead_enders(connection, lease_seconds=LEASE, limit=100) == []
    expire(database, turn.id)
    with database.write() as connection:
        (adopted,) = sweeping.adopt_dead_enders(connection, lease_seconds=LEASE, limit=100)
        assert sweeping.adopt_dead_enders(connection, lease_seconds=LEASE, limit=100) == []
    assert (adopted.id, adopted.attempt, adopted.ending) == (turn.id, 2, "cancelled")
    assert do(database, finish_ending, adopted)


def test_a_queued_turn_ends_without_a_worker_and_a_claimed_one_does_not(database: Database) -> None:
    queued, running = create(database), claimed(database)
    assert do(database, end_queued, queued)
    assert not do(database, end_queued, queued)
    assert not do(database, end_queued, running)
    assert row(database, queued.id)["status"] == "cancelled"
    assert claim(database, queued.id) is None


def _facts(turn: Turn) -> dict[str, Any]:
    return {name: getattr(turn, name) for name in turn.__slots__}
