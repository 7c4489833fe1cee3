"""What the sweeper finds: turns that nobody drives any more, each once however many sweepers look (Q1, Q9)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from shared.core.turn import Turn
from shared.core.turn_status import ACTIVE, Status
from shared.store import responses, sweeping
from shared.store.database_clock import database_now
from shared.store.engine import Connection, Database
from shared.store.tables import RESPONSE
from tests.stored_turns import SHARE, answered, change, claimed, create, expire, purge_once, row

SWEEPERS = 6


def silent(connection: Connection) -> list[Turn]:
    return sweeping.silent(connection, older_than_seconds=10, limit=100)


def restartable(connection: Connection) -> list[Turn]:
    return sweeping.restartable(connection, older_than_seconds=10, limit=100)


def release(connection: Connection) -> list[Turn]:
    return sweeping.release(connection, owner_share=SHARE)


def found(database: Database, look: Callable[[Connection], list[Turn]]) -> set[str]:
    with database.write() as connection:
        return {turn.id for turn in look(connection)}


def sent(database: Database, turn: Turn, seconds_ago: float) -> None:
    change(database, turn.id, dispatched_at=database_now() - seconds_ago)


def test_a_message_counts_as_lost_only_after_a_while_and_is_sent_once(database: Database) -> None:
    """Q1: a turn that waits for its parent, or for room in its owner's share, has no message to lose."""
    old, fresh, running = create(database), create(database), claimed(database)
    waiting = create(database, previous_response_id=running.id)
    held_back = create(database)
    for turn in (old, running, waiting):
        sent(database, turn, 11)
    change(database, held_back.id, dispatched_at=None)
    with database.read() as connection:
        assert sweeping.count_queued(connection) == 2
    assert found(database, silent) == {old.id}
    assert found(database, silent) == set()
    assert row(database, fresh.id)["status"] == "queued"


def test_the_oldest_messages_are_sent_first_and_no_more_than_asked_for(database: Database) -> None:
    turns = [create(database) for _ in range(5)]
    for age, turn in enumerate(turns):
        sent(database, turn, 20 + age)
    with database.write() as connection:
        first = sweeping.silent(connection, older_than_seconds=10, limit=2)
        second = sweeping.silent(connection, older_than_seconds=10, limit=100)
    assert {turn.id for turn in first} == {turn.id for turn in turns[3:]}
    assert {turn.id for turn in second} == {turn.id for turn in turns[:3]}


@pytest.mark.parametrize("look", [silent, restartable])
def test_many_sweepers_send_each_turn_once(database: Database, look: Callable[[Connection], list[Turn]]) -> None:
    """Any number of processes sweep at once."""
    turns = [create(database) if look is silent else claimed(database) for _ in range(15)]
    for turn in turns:
        if look is restartable:
            expire(database, turn.id)
        sent(database, turn, 20)

    def sweep(_: int) -> list[str]:
        with database.write() as connection:
            return [turn.id for turn in look(connection)]

    with ThreadPoolExecutor(SWEEPERS) as pool:
        sent_ids = [one for ids in pool.map(sweep, range(SWEEPERS)) for one in ids]
    assert sorted(sent_ids) == sorted(turn.id for turn in turns)


def test_sweepers_that_look_at_the_same_moment_send_a_turn_once(postgres_database_url: str) -> None:
    """The race, stepped: the second passes over what the first holds, and neither waits for it nor takes it."""
    database = Database(postgres_database_url)
    turn = create(database)
    sent(database, turn, 20)
    with ThreadPoolExecutor(1) as pool, database.write() as connection:
        assert [one.id for one in silent(connection)] == [turn.id]
        assert pool.submit(found, database, silent).result(30) == set()
    database.close()


@pytest.mark.parametrize(
    ("state", "look"),
    [
        ({}, restartable),
        ({"observed": True, "output_started": True}, lambda c: sweeping.lost(c, limit=9)),
        ({"attempt": 2, "ending": "cancelled"}, lambda c: sweeping.adopt_dead_enders(c, lease_seconds=30, limit=100)),
        ({}, lambda c: sweeping.over_age(c, queued_seconds=1, running_seconds=1, limit=9)),
        ({"status": "queued", "dispatched_at": None, "waits_for": "gone"}, release),
    ],
    ids=["restartable", "lost", "dead ender", "over age", "orphan"],
)
def test_a_turn_that_somebody_holds_keeps_no_other_waiting(
    postgres_database_url: str, state: dict[str, object], look: Callable[[Connection], list[Turn]]
) -> None:
    """G4: a process frozen in a transaction holds its row for seconds."""
    database = Database(postgres_database_url)
    held, free = claimed(database).id, claimed(database).id
    for response_id in (held, free):
        change(database, response_id, **{"started_at": 1.0, "dispatched_at": 1.0, "lease_until": 1.0} | state)
    with ThreadPoolExecutor(1) as pool, database.write() as connection:
        connection.execute(select(RESPONSE.c.id).where(RESPONSE.c.id == held).with_for_update())
        assert pool.submit(found, database, look).result(30) == {free}
    assert held in found(database, look)
    database.close()


def test_a_lost_turn_is_sent_again_only_after_a_while(database: Database) -> None:
    """Its first message may still be on its way to a worker."""
    turn = claimed(database)
    expire(database, turn.id)
    assert found(database, restartable) == set()
    sent(database, turn, 11)
    assert found(database, restartable) == {turn.id}
    assert found(database, restartable) == set()


@pytest.mark.parametrize("status", Status)
def test_a_turn_whose_predecessor_no_longer_runs_is_let_go(database: Database, status: Status) -> None:
    """The net below the release in every end."""
    parent = claimed(database)
    child = create(database, previous_response_id=parent.id)
    change(database, parent.id, status=status)
    released = found(database, release)
    assert released == (set() if status in ACTIVE else {child.id})
    assert (row(database, child.id)["waits_for"] is None) == bool(released)


def test_a_turn_whose_predecessor_is_gone_is_let_go(database: Database) -> None:
    parent = claimed(database)
    child = create(database, previous_response_id=parent.id)
    change(database, parent.id, status="failed")
    with database.write() as connection:
        assert responses.remove(connection, parent.owner, parent.id)
    assert found(database, release) == {child.id}


def test_old_responses_are_purged_from_the_ends_of_their_chains(database: Database) -> None:
    """Q9: a chain is as young as its youngest response; running turns are never purged."""
    old = [answered(database, "q", "a")]
    old += [answered(database, "q", "a", previous_response_id=old[0].id) for _ in range(2)]
    old_root = answered(database, "q", "a")
    young = answered(database, "q", "a", previous_response_id=old_root.id)
    running = claimed(database, previous_response_id=old[2].id)
    for turn in (*old, old_root):
        change(database, turn.id, ended_at=database_now() - 100)
    change(database, young.id, ended_at=database_now() - 10)
    purged = []
    for _ in range(3):
        with database.write() as connection:
            purged.append(purge_once(connection, older_than_seconds=50, limit=100))
    assert purged == [1, 0, 0]
    with database.read() as connection:
        left = set(responses.look(connection, [turn.id for turn in (*old, old_root, young, running)]))
    assert left == {old[0].id, old[2].id, old_root.id, young.id, running.id}


def test_a_purge_takes_whole_chains_in_rounds_and_no_more_than_asked_for(database: Database) -> None:
    parent = None
    for _ in range(4):
        parent = answered(database, "q", "a", previous_response_id=parent).id
    for _ in range(3):
        answered(database, "q", "a")
    purged: list[int] = []
    while not purged or purged[-1]:
        with database.write() as connection:
            purged.append(purge_once(connection, older_than_seconds=50, limit=2))
    assert sum(purged) == 7
    assert max(purged) <= 2
