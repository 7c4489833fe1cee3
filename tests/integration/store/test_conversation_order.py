"""Turns of one conversation run one at a time, in the order of their acceptance, whatever becomes of them (G22, Q1)."""

import queue
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from shared.core.turn import Outcome, Turn
from shared.core.turn_status import ACTIVE, TERMINAL, Status
from shared.store import attempts, creation, responses, shares, sweeping
from shared.store.engine import Database
from shared.store.tables import RESPONSE
from tests.stored_conversations import (
    DEADLINE_SECONDS,
    cancel,
    contents,
    converse,
    delete,
    end,
    until_somebody_waits_for_a_lock,
    waits_for,
)
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
    expire,
    new_turn,
    row,
    said,
    texts,
)

RACES = 8
CREATORS = 4
TURNS_EACH = 5
WORKERS = 3


def in_line(database: Database, count: int) -> tuple[str, list[Turn]]:
    conversation_id = converse(database)
    return conversation_id, [create(database, conversation_id=conversation_id) for _ in range(count)]


def test_turns_run_in_the_order_of_their_acceptance(database: Database) -> None:
    """Each waits for the one before it, and is let go by that one's end alone."""
    _, turns = in_line(database, 4)
    assert [waits_for(database, turn) for turn in turns] == [None, *(turn.id for turn in turns[:-1])]
    for at, turn in enumerate(turns):
        assert [one.id for one in turns if claimable(database, one)] == [turn.id]
        held = claim(database, turn.id)
        assert held is not None
        assert end(database, held, Status.COMPLETED) == [later.id for later in turns[at + 1 : at + 2]]


@pytest.mark.parametrize("status", Status)
def test_a_turn_waits_exactly_while_the_one_before_it_is_active(database: Database, status: Status) -> None:
    conversation_id = converse(database)
    before = claimed(database, conversation_id=conversation_id)
    change(database, before.id, status=status)
    turn = create(database, conversation_id=conversation_id)
    assert waits_for(database, turn) == (before.id if status in ACTIVE else None)
    assert (row(database, turn.id)["dispatched_at"] is None) == (status in ACTIVE)


@pytest.mark.parametrize("status", sorted(TERMINAL - {Status.CANCELLED}))
def test_no_kind_of_end_blocks_the_next(database: Database, status: Status) -> None:
    _, (first, second) = in_line(database, 2)
    held = claim(database, first.id)
    assert held is not None
    assert end(database, held, status) == [second.id]
    assert claimable(database, second)


def test_a_cancelled_turn_in_the_middle_hands_its_follower_on(database: Database) -> None:
    """The follower waits for the one that is still ahead; the rest of the line is as it was."""
    _, (first, second, third, fourth) = in_line(database, 4)
    assert cancel(database, second) == []
    assert [waits_for(database, turn) for turn in (first, third, fourth)] == [None, first.id, third.id]
    assert cancel(database, third) == []
    assert waits_for(database, fourth) == first.id
    assert cancel(database, first) == [fourth.id]
    assert claimable(database, fourth)


def test_a_running_turn_that_is_cancelled_lets_the_next_go_at_its_end(database: Database) -> None:
    _, (first, second) = in_line(database, 2)
    held = claim(database, first.id)
    assert held is not None
    with database.write() as connection:
        taken = attempts.take_over(connection, first.id, "cancelled", lease_seconds=30)
    assert taken is not None
    assert not claimable(database, second)
    with database.write() as connection:
        body = body_of(taken, (), Outcome(Status.CANCELLED, NOW))
        fence = (taken.id, taken.attempt)
        assert attempts.finish_ending(connection, fence, taken, body, Outcome(Status.CANCELLED, NOW), None)
        assert [turn.id for turn in shares.pass_on(connection, first, SHARE)] == [second.id]
    assert claimable(database, second)


def test_a_turn_restarted_after_a_crash_keeps_its_place(database: Database) -> None:
    """G22: a lost worker never leaves the conversation blocked, nor lets the next one pass."""
    _, (first, second) = in_line(database, 2)
    assert claim(database, first.id) is not None
    expire(database, first.id)
    assert not claimable(database, second)
    again = claim(database, first.id, worker="another")
    assert again is not None
    assert end(database, again, Status.COMPLETED) == [second.id]


def test_conversations_do_not_wait_for_each_other(database: Database) -> None:
    """Nor for turns without one, nor for another owner's."""
    _, (first, _) = in_line(database, 2)
    _, (other,) = in_line(database, 1)
    assert claimable(database, other)
    assert waits_for(database, create(database)) is None
    branch = create(database, previous_response_id=first.id)
    assert waits_for(database, branch) == first.id
    assert waits_for(database, create(database, previous_response_id=answered(database, "q", "a").id)) is None


def test_turns_waiting_for_a_deleted_conversation_end_one_by_one(database: Database) -> None:
    """They cannot be told anything; the line still runs off (the worker ends each as failed)."""
    conversation_id, turns = in_line(database, 3)
    held = claim(database, turns[0].id)
    assert held is not None
    assert delete(database, conversation_id)
    assert end(database, held, Status.COMPLETED) == [turns[1].id]
    for at in (1, 2):
        held = claim(database, turns[at].id)
        assert held is not None
        assert end(database, held, Status.FAILED) == [turn.id for turn in turns[at + 1 :]]


def test_a_turn_that_is_not_stored_has_its_place_too(database: Database) -> None:
    conversation_id = converse(database)
    first = claimed(database, [said("q")], conversation_id=conversation_id, store=False)
    second = create(database, conversation_id=conversation_id)
    assert waits_for(database, second) == first.id
    assert end(database, first, Status.COMPLETED, [said("a", "assistant")]) == [second.id]
    assert contents(database, conversation_id) == []


def test_the_place_in_the_line_is_known(database: Database) -> None:
    """Q5: how many turns must end first."""
    _, turns = in_line(database, 5)
    assert [ahead(database, turn) for turn in turns] == [0, 1, 2, 3, 4]
    cancel(database, turns[2])
    held = claim(database, turns[0].id)
    assert held is not None
    assert [ahead(database, turn) for turn in turns] == [0, 1, 0, 2, 3]
    end(database, held, Status.COMPLETED)
    assert [ahead(database, turn) for turn in (turns[1], turns[3], turns[4])] == [0, 1, 2]


def test_a_turn_whose_predecessor_vanished_is_let_go_by_the_sweeper(database: Database) -> None:
    """Q1: the net below the release in every end."""
    _, (first, second, third) = in_line(database, 3)
    change(database, first.id, status="completed")
    with database.write() as connection:
        assert [turn.id for turn in sweeping.release(connection, owner_share=SHARE)] == [second.id]
        assert sweeping.release(connection, owner_share=SHARE) == []
    assert waits_for(database, third) == second.id
    assert claimable(database, second)


def test_a_turn_being_stored_holds_up_the_end_of_the_one_before(postgres_database_url: str) -> None:
    """The race, stepped: the end waits for the other's transaction, and then lets it go."""
    database = Database(postgres_database_url)
    conversation_id = converse(database)
    first = claimed(database, conversation_id=conversation_id)
    second = new_turn(conversation_id=conversation_id)
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            assert creation.create(connection, OWNER, second, []) == first.id
            ending = pool.submit(end, database, first, Status.COMPLETED)
            until_somebody_waits_for_a_lock(database)
            assert not ending.done()
        assert ending.result(30) == [second.id]
    database.close()


def test_an_end_being_written_holds_up_the_next_turn_which_then_sees_it(postgres_database_url: str) -> None:
    """The race the other way round; the append is in the same transaction, so the next turn has the whole answer."""
    database = Database(postgres_database_url)
    conversation_id = converse(database)
    first = claimed(database, [said("q")], conversation_id=conversation_id)

    def create_second() -> Turn:
        return create(database, conversation_id=conversation_id)

    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            body = body_of(first, [said("a", "assistant")])
            assert attempts.finish(connection, (first.id, first.attempt), first, body, completed(), None)
            creating = pool.submit(create_second)
            until_somebody_waits_for_a_lock(database)
            assert not creating.done()
        second = creating.result(30)
    assert waits_for(database, second) is None
    assert texts(contents(database, conversation_id)) == ["q", "a"]
    database.close()


def test_a_cancel_of_a_waiting_turn_and_the_end_of_the_one_before_strand_nobody(database: Database) -> None:
    """Whichever comes first, the follower is let go once."""
    with ThreadPoolExecutor(2) as pool:
        for _ in range(RACES * 2):
            _, (first, second, third) = in_line(database, 3)
            held = claim(database, first.id)
            assert held is not None
            start = threading.Barrier(2)
            released = [
                pool.submit(_after, start, lambda held=held: end(database, held, Status.COMPLETED)),
                pool.submit(_after, start, lambda second=second: cancel(database, second)),
            ]
            let_go = [one for future in released for one in future.result(DEADLINE_SECONDS) or ()]
            assert let_go.count(third.id) == 1
            assert claimable(database, third)


def test_many_creators_workers_and_cancellers_at_once(database: Database) -> None:
    """G22: at most one turn is ready or running at any moment, all end, in order, and nobody locks another out."""
    for seed in range(RACES):
        _Race(database, random.Random(seed)).run()


class _Race:
    """Creators make turns of one conversation, workers run what was let go, a canceller takes some; all at once."""

    def __init__(self, database: Database, chance: random.Random) -> None:
        self.database = database
        self.conversation_id = converse(database)
        self.seeds = [chance.random() for _ in range(CREATORS + WORKERS + 1)]
        self.ready: queue.Queue[str | None] = queue.Queue()
        self.made: queue.Queue[Turn | None] = queue.Queue()
        self.claimed: list[str] = []
        self.most_at_once = 0
        self.over = threading.Event()

    def run(self) -> None:
        with ThreadPoolExecutor(CREATORS + WORKERS + 2) as pool:
            watching = pool.submit(self._watch)
            creating = [pool.submit(self._create, seed) for seed in self.seeds[:CREATORS]]
            cancelling = pool.submit(self._cancel, self.seeds[-1])
            working = [pool.submit(self._work, seed) for seed in self.seeds[CREATORS:-1]]
            for future in creating:
                future.result(DEADLINE_SECONDS)
            self.made.put(None)
            cancelling.result(DEADLINE_SECONDS)
            for future in working:
                future.result(DEADLINE_SECONDS)
            self.over.set()
            watching.result(DEADLINE_SECONDS)
        self._check()

    def _create(self, seed: float) -> None:
        chance = random.Random(seed)
        for _ in range(TURNS_EACH):
            turn = new_turn(conversation_id=self.conversation_id, store=chance.random() < 0.8)
            with self.database.write() as connection:
                waits = creation.create(connection, OWNER, turn, [said(turn.id)])
            if waits is None:
                self.ready.put(turn.id)
            self.made.put(turn)

    def _work(self, seed: float) -> None:
        chance = random.Random(seed)
        while not self._all_ended():
            try:
                response_id = self.ready.get(timeout=0.02)
            except queue.Empty:
                continue
            held = claim(self.database, response_id or "")
            if held is None:
                continue
            self.claimed.append(held.id)
            status = chance.choice((Status.COMPLETED, Status.INCOMPLETE, Status.FAILED))
            self._let_go(end(self.database, held, status))

    def _cancel(self, seed: float) -> None:
        chance = random.Random(seed)
        while turn := self.made.get(timeout=DEADLINE_SECONDS):
            if chance.random() < 0.3:
                self._let_go(cancel(self.database, turn))

    def _let_go(self, response_ids: Sequence[str] | None) -> None:
        for one in response_ids or ():
            self.ready.put(one)

    def _all_ended(self) -> bool:
        statuses = self._statuses()
        return len(statuses) == CREATORS * TURNS_EACH and set(statuses.values()) <= TERMINAL

    def _statuses(self) -> dict[str, str]:
        mine = (RESPONSE.c.conversation_id == self.conversation_id,)
        statement = select(RESPONSE.c.id, RESPONSE.c.status).where(*mine).order_by(RESPONSE.c.position)
        with self.database.read() as connection:
            return {found.id: found.status for found in connection.execute(statement)}

    def _watch(self) -> None:
        active = (RESPONSE.c.conversation_id == self.conversation_id, RESPONSE.c.status.in_(ACTIVE))
        statement = select(RESPONSE.c.id).where(*active, RESPONSE.c.waits_for.is_(None))
        while not self.over.wait(0.005):
            with self.database.read() as connection:
                self.most_at_once = max(self.most_at_once, len(connection.execute(statement).all()))

    def _check(self) -> None:
        statuses = self._statuses()
        assert self.most_at_once == 1
        assert len(self.claimed) == len(set(self.claimed))
        started = [row(self.database, one)["started_at"] for one in statuses if one in self.claimed]
        assert started == sorted(started)
        kept = [one for one, status in statuses.items() if status in (Status.COMPLETED, Status.INCOMPLETE)]
        stored = [one for one in kept if row(self.database, one)["store"]]
        assert texts(contents(self.database, self.conversation_id)) == stored


def claimable(database: Database, turn: Turn) -> bool:
    """Whether a worker that has its message would get it."""
    found = row(database, turn.id)
    return found["status"] == "queued" and found["waits_for"] is None and found["dispatched_at"] is not None


def ahead(database: Database, turn: Turn) -> int:
    with database.read() as connection:
        return responses.turns_ahead(connection, turn.id)


def _after(start: threading.Barrier, act: Callable[[], list[str] | None]) -> list[str] | None:
    start.wait(10)
    return act()
