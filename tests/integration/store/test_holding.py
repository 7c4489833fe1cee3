"""Unstored turns that a live connection holds, and all they go on from, are not erased (Q9)."""

from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.store import responses
from shared.store.database_clock import database_now
from shared.store.engine import Database
from tests.stored_turns import answered, change, claimed, create, row

SECONDS = 60
UNSTORED: dict[str, Any] = {"store": False, "background": False, "parent_held": True}


def hold(database: Database, *response_ids: str) -> None:
    with database.write() as connection:
        responses.hold(connection, response_ids, seconds=SECONDS)


def seconds_left(database: Database, response_id: str) -> float:
    with database.read() as connection:
        now: float = connection.scalar(database_now().select())
    return float(row(database, response_id)["erase_at"]) - now


def unstored(database: Database, parent: str | None = None) -> str:
    """An ended turn whose time will soon be up; its id."""
    turn = answered(database, "hi", "ho", **UNSTORED, previous_response_id=parent)
    change(database, turn.id, erase_at=database_now() + 5)
    return turn.id


def test_what_is_held_and_its_whole_chain_are_kept_for_the_time(database: Database) -> None:
    root = unstored(database)
    middle = unstored(database, root)
    branch, other_branch = unstored(database, middle), unstored(database, middle)
    alone = unstored(database)
    hold(database, branch)
    for kept in (root, middle, branch):
        assert seconds_left(database, kept) == pytest.approx(SECONDS, abs=3)
    for left in (other_branch, alone):
        assert seconds_left(database, left) == pytest.approx(5, abs=3)


def test_only_who_holds_an_unstored_turn_may_go_on_from_it(database: Database) -> None:
    parent = unstored(database)
    with pytest.raises(InvalidRequest) as caught:
        create(database, previous_response_id=parent)
    assert caught.value.code == "previous_response_not_found"
    create(database, previous_response_id=parent, parent_held=True)


def test_what_another_owner_holds_is_unknown(database: Database) -> None:
    parent = unstored(database)
    with pytest.raises(InvalidRequest) as caught:
        create(database, owner="mallory", previous_response_id=parent, parent_held=True)
    assert caught.value.code == "previous_response_not_found"


def test_a_chain_is_kept_for_a_child_that_has_not_ended(database: Database) -> None:
    parent = unstored(database)
    child = claimed(database, **UNSTORED, previous_response_id=parent)
    hold(database, child.id)
    assert seconds_left(database, parent) == pytest.approx(SECONDS, abs=3)
    assert row(database, child.id)["erase_at"] is None


def test_holding_shortens_no_life_and_marks_nothing_stored_for_erasure(database: Database) -> None:
    background = answered(database, "hi", "ho", store=False, background=True)
    stored = answered(database, "hi", "ho", previous_response_id=background.id)
    hold(database, stored.id)
    assert seconds_left(database, background.id) == pytest.approx(600, abs=10)
    assert row(database, stored.id)["erase_at"] is None
