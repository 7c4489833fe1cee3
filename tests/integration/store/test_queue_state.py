"""How much work there is, by tier: what runs, and what each queued turn waits for."""

from shared import clock
from shared.core.service_tier import Tier
from shared.store import creation, queue_state
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.store.queue_state import Queued, TierState, Waiting
from tests.stored_turns import change, claimed, create, finish, new_turn


def state(database: Database) -> dict[Tier, TierState]:
    with database.read() as connection:
        return queue_state.load(connection)


def test_every_tier_is_there_when_there_is_no_work(database: Database) -> None:
    nothing = TierState(0, dict.fromkeys(Waiting, Queued()))
    assert state(database) == dict.fromkeys(Tier, nothing)


def test_turns_count_in_the_tier_whose_queue_they_are_in(database: Database) -> None:
    for name in ("auto", "default", "scale", "flex", "priority", "fast"):
        create(database, request={"model": "m", "service_tier": name})
    assert {tier: one.depth for tier, one in state(database).items()} == {
        Tier.PRIORITY: 2,
        Tier.DEFAULT: 3,
        Tier.FLEX: 1,
    }


def test_it_is_told_what_a_turn_waits_for(database: Database) -> None:
    running = claimed(database)
    create(database, previous_response_id=running.id)
    create(database)
    with database.write() as connection:
        creation.create(connection, "alice", new_turn(), [], held_back=True)
    found = state(database)[Tier.DEFAULT]
    assert found.running == 1
    assert {waiting: one.turns for waiting, one in found.queued.items()} == dict.fromkeys(Waiting, 1)


def test_the_age_is_that_of_the_longest_wait(database: Database) -> None:
    for seconds in (10, 300, 20):
        turn = create(database)
        change(database, turn.id, dispatched_at=database_now() - seconds)
    longest = state(database)[Tier.DEFAULT].queued[Waiting.WORKER].oldest_seconds
    assert 300 <= longest < 310


def test_who_waits_for_no_worker_waits_since_it_was_made(database: Database) -> None:
    with database.write() as connection:
        held_back = new_turn(created_at=int(clock.now()) - 300)
        creation.create(connection, "alice", held_back, [], held_back=True)
    queued = state(database)[Tier.DEFAULT].queued
    assert 300 <= queued[Waiting.SHARE].oldest_seconds < 310
    assert queued[Waiting.WORKER] == Queued()


def test_a_clock_that_is_ahead_makes_no_negative_age(database: Database) -> None:
    with database.write() as connection:
        creation.create(connection, "alice", new_turn(created_at=int(clock.now()) + 300), [], held_back=True)
    assert state(database)[Tier.DEFAULT].queued[Waiting.SHARE].oldest_seconds == 0


def test_ended_turns_are_no_work(database: Database) -> None:
    assert finish(database, claimed(database))
    assert state(database)[Tier.DEFAULT] == TierState(0, dict.fromkeys(Waiting, Queued()))
