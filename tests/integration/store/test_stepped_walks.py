"""The ground under the stepped schedules: a turn put into a state is as good as one that came there step by step."""

import random
from collections.abc import Iterator

from shared.store import creation
from shared.store.engine import Database
from tests.integration.store.stepped_rows import GONE, Stored, contents, put, read
from tests.integration.store.stepped_schedules import Situation, after, steps
from tests.integration.store.stepped_turns import Taken, take, take_here
from tests.stored_turns import new_turn, said

_WALKS = 40
_STEPS = 8

# Else most turns would end at once, and restarts be rare.
_WEIGHTS = {"claim": 8, "let lease end": 8, "start output": 4}


def test_turns_that_went_all_the_way_took_the_same_steps_as_turns_put_there(database: Database) -> None:
    """Schedules from the start, each on one real turn, a transaction a step; then every step of theirs by itself."""
    chance = random.Random(4)
    walked = [taken for _ in range(_WALKS) for taken in _walk(database, chance)]
    put_there = {(one.before, one.step): one for one in take(database, {(one.before, one.step) for one in walked})}
    for taken in walked:
        same = put_there[taken.before, taken.step]
        assert (taken.told, taken.after) == (same.told, same.after), taken
    assert {taken.told.attempt for taken in walked if taken.told and taken.step.name == "claim"} >= {1, 2}
    assert {taken.before.status for taken in walked if taken.before} >= {
        "queued",
        "in_progress",
        "completed",
        "cancelled",
    }


def _walk(database: Database, chance: random.Random) -> Iterator[Taken]:
    put(database, {})
    turn = new_turn(waiter=GONE)
    with database.write() as connection:
        creation.create(connection, turn.owner, turn, [said("question")])
    situation = Situation(_seen(database, turn.id))
    assert situation == Situation()
    for _ in range(_STEPS):
        possible = sorted(steps(situation), key=str)
        (step,) = chance.choices(possible, [_WEIGHTS.get(step.name, 1) for step in possible])
        told = take_here(database, step.name, {turn.id: step.held})
        # Whether the row was touched is not compared: a second renewal within one tick of the clock touches nothing.
        taken = Taken(step, situation.stored, told.get(turn.id), _seen(database, turn.id), touched=False)
        situation = after(situation, taken)
        yield taken


def _seen(database: Database, response_id: str) -> Stored | None:
    return read(database, contents(database)).get(response_id)
