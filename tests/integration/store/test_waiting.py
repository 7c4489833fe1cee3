"""A follow-up waits for a parent that still runs, and is let go by the very transaction that ends it (R9, G22)."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from shared.core.turn import Outcome, Turn
from shared.core.turn_status import ACTIVE, TERMINAL, Status
from shared.store import attempts, creation, items, shares
from shared.store.engine import Database
from tests.stored_turns import (
    NOW,
    OWNER,
    SHARE,
    answered,
    body_of,
    change,
    claim,
    claimed,
    completed,
    create,
    everything,
    finish,
    new_turn,
    row,
    said,
    texts,
)

ROUNDS = 25
CHILDREN = 3


def end_queued(database: Database, turn: Turn) -> bool:
    outcome = Outcome(Status.CANCELLED, NOW)
    with database.write() as connection:
        done = attempts.end_queued(connection, turn, body_of(turn, (), outcome), outcome, None)
        if done:
            shares.pass_on(connection, turn, SHARE)
    return done


@pytest.mark.parametrize("status", Status)
def test_a_follow_up_waits_exactly_while_its_parent_is_active(database: Database, status: Status) -> None:
    parent = claimed(database)
    change(database, parent.id, status=status)
    child = new_turn(previous_response_id=parent.id)
    with database.write() as connection:
        dispatchable = creation.create(connection, OWNER, child, []) is None
    stored = row(database, child.id)
    assert dispatchable == (status in TERMINAL)
    assert stored["waits_for"] == (parent.id if status in ACTIVE else None)
    assert (stored["dispatched_at"] is None) == (status in ACTIVE)


def test_a_waiting_turn_cannot_be_claimed_and_then_sees_everything(database: Database) -> None:
    """R9: context is read at claim, tool items of the parent's last moment included."""
    parent = claimed(database, [said("q")])
    child = create(database, [said("more")], previous_response_id=parent.id)
    assert claim(database, child.id) is None
    finish(database, parent, [said("a", "assistant")])
    held = claim(database, child.id)
    assert held is not None
    with database.read() as connection:
        assert texts(items.history(connection, OWNER, child.id) or []) == ["q", "a", "more"]


def test_the_end_releases_its_own_children_and_nobody_elses(database: Database) -> None:
    parent, other = claimed(database), claimed(database)
    children = [create(database, previous_response_id=parent.id) for _ in range(3)]
    grandchild = create(database, previous_response_id=children[0].id)
    strangers = [create(database, previous_response_id=other.id), create(database)]
    before = [dict(row(database, turn.id)) for turn in (grandchild, *strangers)]
    with database.write() as connection:
        attempts.finish(connection, (parent.id, 1), parent, body_of(parent), completed(), None)
        released = shares.pass_on(connection, parent, SHARE)
    assert sorted(turn.id for turn in released) == sorted(turn.id for turn in children)
    assert all(row(database, child.id)["waits_for"] is None for child in children)
    assert all(row(database, child.id)["dispatched_at"] is not None for child in children)
    assert [dict(row(database, turn.id)) for turn in (grandchild, *strangers)] == before


def test_a_chain_of_waiting_turns_unwinds_one_by_one(database: Database) -> None:
    """Who waited for a cancelled link waits for whom that one waited for: it is the next to see what comes before."""
    first = claimed(database)
    second = create(database, previous_response_id=first.id)
    third = create(database, previous_response_id=second.id)
    assert end_queued(database, second)
    assert row(database, third.id)["waits_for"] == first.id
    assert claim(database, third.id) is None
    assert finish(database, first)
    assert row(database, third.id)["waits_for"] is None
    assert claim(database, third.id) is not None


def test_a_turn_that_ended_while_it_waited_is_not_released_later(database: Database) -> None:
    """G2: a parent's end changes no row that has ended."""
    parent = claimed(database)
    child = create(database, previous_response_id=parent.id)
    assert end_queued(database, child)
    ended = dict(row(database, child.id))
    with database.write() as connection:
        attempts.finish(connection, (parent.id, 1), parent, body_of(parent), completed(), None)
        assert shares.pass_on(connection, parent, SHARE) == []
    assert dict(row(database, child.id)) == ended


def test_an_end_that_is_rolled_back_releases_nobody(database: Database) -> None:
    parent = claimed(database)
    create(database, previous_response_id=parent.id)
    before = everything(database)
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(ZeroDivisionError))
        connection = stack.enter_context(database.write())
        attempts.finish(connection, (parent.id, 1), parent, body_of(parent), completed(), None)
        shares.pass_on(connection, parent, SHARE)
        raise ZeroDivisionError
    assert everything(database) == before


def test_no_child_is_left_waiting_when_its_creation_races_with_the_parents_end(database: Database) -> None:
    """R9, Q1: whichever comes first, the child is dispatched by one of the two."""
    with ThreadPoolExecutor(CHILDREN + 1) as pool:
        for _ in range(ROUNDS):
            _race_once(database, pool)


def _race_once(database: Database, pool: ThreadPoolExecutor) -> None:
    parent = claimed(database)
    children = [new_turn(previous_response_id=parent.id) for _ in range(CHILDREN)]
    start = threading.Barrier(CHILDREN + 1)

    def create_child(child: Turn) -> bool:
        start.wait(10)
        with database.write() as connection:
            return creation.create(connection, OWNER, child, []) is None

    def end_parent() -> set[str]:
        start.wait(10)
        with database.write() as connection:
            assert attempts.finish(connection, (parent.id, 1), parent, body_of(parent), completed(), None)
            return {turn.id for turn in shares.pass_on(connection, parent, SHARE)}

    created: list[Future[bool]] = [pool.submit(create_child, child) for child in children]
    released = pool.submit(end_parent).result(30)
    dispatched = {child.id for child, creation in zip(children, created, strict=True) if creation.result(30)}
    assert dispatched | released == {child.id for child in children}
    assert dispatched & released == set()
    assert all(row(database, child.id)["waits_for"] is None for child in children)


def test_no_turn_is_left_waiting_when_a_link_of_its_chain_is_cancelled_as_the_first_ends(database: Database) -> None:
    """Q1, G22: the cancel hands its followers on to a turn that is ending at that moment."""
    with ThreadPoolExecutor(3) as pool:
        for _ in range(ROUNDS):
            first = claimed(database)
            link = create(database, previous_response_id=first.id)
            follower = create(database, previous_response_id=link.id)
            newcomer = new_turn(previous_response_id=link.id)
            start = threading.Barrier(3)
            ends = [
                pool.submit(_at_once, start, finish, database, first),
                pool.submit(_at_once, start, end_queued, database, link),
                pool.submit(_at_once, start, _store, database, newcomer),
            ]
            assert [end.result(30) for end in ends[:2]] == [True, True]
            ends[2].result(30)
            assert [row(database, turn.id)["waits_for"] for turn in (link, follower, newcomer)] == [None] * 3


def _at_once(start: threading.Barrier, act: Callable[..., bool], *args: object) -> bool:
    start.wait(10)
    return act(*args)


def _store(database: Database, turn: Turn) -> bool:
    with database.write() as connection:
        return creation.create(connection, OWNER, turn, []) is None


def test_a_child_being_stored_holds_up_the_end_of_its_parent(postgres_database_url: str) -> None:
    """The race, stepped: the parent's end waits for the child's transaction, then releases it."""
    database = Database(postgres_database_url)
    parent, child = claimed(database), new_turn(previous_response_id=answered(database, "q", "a").id)
    child = new_turn(previous_response_id=parent.id)
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            assert creation.create(connection, OWNER, child, []) == parent.id
            ending = pool.submit(finish, database, parent)
            _until_somebody_waits_for_a_lock(database)
            assert not ending.done()
        assert ending.result(30)
    assert row(database, child.id)["waits_for"] is None
    database.close()


def test_a_parent_that_is_ending_holds_up_its_child_which_then_does_not_wait(postgres_database_url: str) -> None:
    """The race the other way round: the child looks again once the parent's end is committed."""
    database = Database(postgres_database_url)
    parent = claimed(database)
    child = new_turn(previous_response_id=parent.id)

    def create_child() -> bool:
        with database.write() as connection:
            return creation.create(connection, OWNER, child, []) is None

    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            assert attempts.finish(connection, (parent.id, 1), parent, body_of(parent), completed(), None)
            assert shares.pass_on(connection, parent, SHARE) == []
            creating = pool.submit(create_child)
            _until_somebody_waits_for_a_lock(database)
            assert not creating.done()
        assert creating.result(30)
    assert row(database, child.id)["waits_for"] is None
    database.close()


def _until_somebody_waits_for_a_lock(database: Database) -> None:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with database.read() as connection:
        while not connection.exec_driver_sql(statement).scalar():
            connection.exec_driver_sql("SELECT pg_sleep(0.002)")
