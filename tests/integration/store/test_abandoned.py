"""Whose caller is gone is known by the beats of API processes (G17, G23)."""

from typing import Any

import pytest
from sqlalchemy import update

from shared.core.turn import Turn
from shared.store import abandoned, creation, processes, responses
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.store.tables import API_PROCESS
from tests.stored_turns import OWNER, change, claim, finish, new_turn

UNSEEN_SECONDS = 15


def waiting_on(database: Database, process: str | None, **more: Any) -> Turn:
    turn = new_turn(background=False, waiter=process)
    with database.write() as connection:
        creation.create(connection, OWNER, turn, [], **more)
    return turn


def beat(database: Database, process: str, seconds_ago: float = 0) -> None:
    with database.write() as connection:
        processes.beat(connection, processes.API, process, "1")
        seen = update(API_PROCESS).where(API_PROCESS.c.id == process)
        connection.execute(seen.values(seen_at=database_now() - seconds_ago))


def found(database: Database) -> set[str]:
    with database.read() as connection:
        return {turn.id for turn in abandoned.find(connection, unseen_seconds=UNSEEN_SECONDS, limit=100)}


def test_the_turns_of_a_process_are_abandoned_exactly_when_it_was_not_seen_for_so_long(database: Database) -> None:
    for process, seconds_ago in (("lives", 0), ("late", UNSEEN_SECONDS - 5), ("dead", UNSEEN_SECONDS + 5)):
        beat(database, process, seconds_ago)
    turns = {process: waiting_on(database, process).id for process in ("lives", "late", "dead", "unknown", None)}
    assert found(database) == {turns["dead"], turns["unknown"]}
    beat(database, "dead")
    assert found(database) == {turns["unknown"]}


def test_a_process_that_leaves_leaves_its_turns_at_once(database: Database) -> None:
    beat(database, "leaves")
    turn = waiting_on(database, "leaves")
    with database.write() as connection:
        processes.leave(connection, processes.API, "leaves")
    assert found(database) == {turn.id}


def test_a_turn_with_a_key_waits_for_its_caller_for_a_while(database: Database) -> None:
    turn = waiting_on(database, None, abandoned_after_seconds=60)
    assert found(database) == set()
    change(database, turn.id, abandoned_at=database_now() - 1)
    assert found(database) == {turn.id}
    with database.write() as connection:
        responses.stay(connection, [turn.id], seconds=60)
    assert found(database) == set()


@pytest.mark.parametrize("state", ["running", "ending", "ended"])
def test_what_is_being_ended_or_has_ended_is_not_abandoned(database: Database, state: str) -> None:
    turn = claim(database, waiting_on(database, "dead").id)
    assert turn is not None
    if state == "ending":
        change(database, turn.id, attempt=2, ending="cancelled")
    elif state == "ended":
        finish(database, turn)
    assert found(database) == ({turn.id} if state == "running" else set())
