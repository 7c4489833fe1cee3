"""An owner's share of the workers, and the length of the queue: who is sent, who is held back, who is refused (Q6)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared import clock
from shared.core.api_key import ApiKey, Caller
from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.errors import RateLimited
from shared.store import api_keys, creation, sweeping
from shared.store.admission import Admission
from shared.store.engine import Database
from tests.statements import statements_of
from tests.stored_conversations import cancel, converse, end
from tests.stored_turns import NOW, change, claim, claimed, new_turn, row

SHARE = 2
ROUNDS = 15
MANY = 6


@pytest.fixture(autouse=True)
def another_owner(database: Database) -> str:
    """The prefix of a key that somebody else than alice has."""
    with database.write() as connection:
        for owner in ("alice", "bob"):
            api_keys.add(connection, ApiKey(f"of-{owner}", "digest", Caller(owner), NOW))
    return "of-bob"


def accept(
    database: Database,
    start: threading.Barrier | None = None,
    *,
    queued: int = 1000,
    per_owner: int = 1000,
    **facts: str | None,
) -> Turn:
    """A turn, taken in as the API does it."""
    turn = new_turn(**facts)
    if start:
        start.wait(10)
    with database.write() as connection:
        room = Admission(queued, per_owner, SHARE).admit(connection, turn.owner)
        creation.create(connection, turn.owner, turn, [], held_back=not room)
    return turn


def sent(database: Database, turns: list[Turn]) -> int:
    """How many of them have a message; they must be the first."""
    marks = [row(database, turn.id)["dispatched_at"] is not None for turn in turns]
    assert marks == sorted(marks, reverse=True)
    return sum(marks)


def complete(database: Database, turn: Turn) -> list[str] | None:
    held = claim(database, turn.id)
    assert held is not None
    return end(database, held, Status.COMPLETED, share=SHARE)


def sweep(database: Database) -> list[str]:
    with database.write() as connection:
        return [turn.id for turn in sweeping.release(connection, owner_share=SHARE)]


def test_turns_above_the_share_are_held_back_and_each_end_sends_the_oldest(database: Database) -> None:
    turns = [accept(database) for _ in range(5)]
    assert sent(database, turns) == SHARE
    for at in range(3):
        assert complete(database, turns[at]) == [turns[at + SHARE].id]
    assert complete(database, turns[3]) == []


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_any_end_sends_the_oldest(database: Database, status: Status) -> None:
    turns = [accept(database) for _ in range(4)]
    held = claim(database, turns[0].id)
    assert held is not None
    ended = cancel(database, held, SHARE) if status is Status.CANCELLED else end(database, held, status, share=SHARE)
    assert ended == [turns[2].id]
    assert cancel(database, turns[1], SHARE) == [turns[3].id]


def test_the_end_of_a_turn_that_was_held_back_sends_nobody(database: Database) -> None:
    turns = [accept(database) for _ in range(4)]
    assert cancel(database, turns[2], SHARE) == []
    assert complete(database, turns[0]) == [turns[3].id]


def test_one_owners_share_is_not_anothers(database: Database) -> None:
    for _ in range(5):
        accept(database)
    assert sent(database, [accept(database, owner="bob") for _ in range(3)]) == SHARE


def test_without_a_second_owner_nobody_is_held_back(database: Database, another_owner: str) -> None:
    with database.write() as connection:
        assert api_keys.revoke(connection, another_owner, NOW)
    turns = [accept(database) for _ in range(5)]
    assert sent(database, turns) == 5


def test_when_the_second_owner_leaves_nobody_stays_held_back(database: Database, another_owner: str) -> None:
    turns = [accept(database) for _ in range(5)]
    with database.write() as connection:
        assert api_keys.revoke(connection, another_owner, NOW)
    assert complete(database, turns[0]) == [turn.id for turn in turns[SHARE:]]


def test_who_waits_for_another_has_no_part_in_the_share(database: Database) -> None:
    """Else a line of turns would wait for a place that its own followers hold."""
    conversation_id = converse(database)
    line = [accept(database, conversation_id=conversation_id) for _ in range(5)]
    others = [accept(database) for _ in range(2)]
    assert sent(database, [line[0], others[0], others[1]]) == SHARE
    assert complete(database, line[0]) == [line[1].id]
    assert complete(database, others[0]) == [others[1].id]


def test_branches_that_begin_at_one_end_are_sent_within_the_share(database: Database) -> None:
    parent = accept(database)
    branches = [accept(database, previous_response_id=parent.id) for _ in range(5)]
    assert complete(database, parent) == [turn.id for turn in branches[:SHARE]]
    assert all(row(database, turn.id)["waits_for"] is None for turn in branches)
    assert complete(database, branches[0]) == [branches[SHARE].id]


def test_the_sweeper_fills_every_owners_share_and_sends_nothing_that_is_held_back(database: Database) -> None:
    turns = {owner: [accept(database, owner=owner) for _ in range(4)] for owner in ("alice", "bob", "carol")}
    for mine in turns.values():
        change(database, mine[0].id, dispatched_at=None)
    with database.write() as connection:
        assert sweeping.silent(connection, older_than_seconds=-1, limit=100)
        assert sweeping.count_queued(connection) == 3 * (SHARE - 1)
    assert sorted(sweep(database)) == sorted(mine[0].id for mine in turns.values())
    assert sweep(database) == []


def test_whatever_happens_at_once_all_turns_are_sent_in_the_end(database: Database) -> None:
    """Q1: who is made as the last of the share end is stranded for no longer than until the next sweep."""
    with ThreadPoolExecutor(MANY) as pool:
        for _ in range(ROUNDS):
            start = threading.Barrier(MANY)
            running = [claimed(database) for _ in range(SHARE)]
            ends = [pool.submit(_fail, database, turn, start) for turn in running]
            made = [pool.submit(accept, database, start) for _ in range(MANY - SHARE)]
            assert all(done.result(30) is not None for done in ends)
            left = [one.result(30) for one in made]
            while left:
                sweep(database)
                ready = [turn for turn in left if sent(database, [turn])]
                assert ready
                for turn in ready:
                    complete(database, turn)
                left = [turn for turn in left if turn not in ready]


def _fail(database: Database, turn: Turn, start: threading.Barrier) -> list[str] | None:
    start.wait(10)
    return end(database, turn, Status.FAILED, share=SHARE)


def test_a_full_queue_refuses_an_owner_or_everybody(database: Database) -> None:
    turns = [accept(database) for _ in range(3)]
    with pytest.raises(RateLimited, match="your turns"):
        accept(database, per_owner=3)
    accept(database, owner="bob", per_owner=3)
    with pytest.raises(RateLimited, match="this server"):
        accept(database, owner="carol", queued=4)
    assert claim(database, turns[0].id)
    accept(database, per_owner=3)


def test_the_whole_queue_is_counted_once_a_second(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long another's part of it is."""
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    admission = Admission(1, 1000, SHARE)
    with database.write() as connection, statements_of(database) as statements:
        assert admission.admit(connection, "alice")
        assert admission.admit(connection, "bob")
    assert len(statements) == 3
    accept(database)
    now += 1
    with database.write() as connection, pytest.raises(RateLimited, match="this server"):
        admission.admit(connection, "bob")
