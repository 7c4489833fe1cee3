"""History is read along the chain of responses: whole, exact, in one query, and stored once (R3, R4, R8, R9)."""

import pytest
from sqlalchemy import func, select

from shared.errors import InvalidRequest
from shared.store import items, responses
from shared.store.engine import Database
from shared.store.tables import ITEM
from shared.wire.items import Item
from tests.statements import statements_of
from tests.stored_turns import (
    OWNER,
    answered,
    called,
    claimed,
    create,
    finish,
    returned,
    said,
    texts,
)


def history(database: Database, response_id: str) -> list[Item] | None:
    with database.read() as connection:
        return items.history(connection, OWNER, response_id)


def item_rows(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(ITEM)).scalar_one()


def remove(database: Database, response_id: str) -> None:
    with database.write() as connection:
        assert responses.remove(connection, OWNER, response_id)


def chain(database: Database, length: int) -> str:
    parent = None
    for number in range(length):
        parent = answered(database, f"q{number}", f"a{number}", previous_response_id=parent).id
    assert parent
    return parent


def test_history_is_input_and_output_of_every_turn_oldest_first(database: Database) -> None:
    """R3, R4: order comes from positions, never from whole-second times (all turns here are of one second)."""
    follow_up = create(database, [said("q3")], previous_response_id=chain(database, 3))
    found = history(database, follow_up.id)
    assert found is not None
    assert texts(found) == ["q0", "a0", "q1", "a1", "q2", "a2", "q3"]


@pytest.mark.parametrize("length", [1, 40])
def test_history_is_one_query_however_long_the_chain(database: Database, length: int) -> None:
    """R4: loading turn k is one query."""
    last = chain(database, length)
    with statements_of(database) as statements:
        found = history(database, last)
    assert len(statements) == 1
    assert found is not None
    assert len(found) == 2 * length


def test_storage_grows_by_the_new_items_of_a_turn(database: Database) -> None:
    """R4: O(n), not a copy of the history per turn."""
    grown = []
    parent = None
    for number in range(20):
        before = item_rows(database)
        parent = answered(database, f"q{number}", f"a{number}", previous_response_id=parent).id
        grown.append(item_rows(database) - before)
    assert grown == [2] * 20


def test_two_branches_of_one_parent_never_see_each_other(database: Database) -> None:
    """R8: branching is exact, for branches of branches too."""
    root = chain(database, 2)
    left = answered(database, "left", "l", previous_response_id=root)
    right = answered(database, "right", "r", previous_response_id=root)
    deeper = answered(database, "deeper", "d", previous_response_id=left.id)
    trunk = ["q0", "a0", "q1", "a1"]
    wanted = {
        left.id: [*trunk, "left", "l"],
        right.id: [*trunk, "right", "r"],
        deeper.id: [*trunk, "left", "l", "deeper", "d"],
        root: trunk,
    }
    assert {leaf: texts(history(database, leaf) or []) for leaf in wanted} == wanted


def test_a_deleted_link_ends_every_chain_through_it(database: Database) -> None:
    """R8: deleting a parent is honoured; what does not go through it stays."""
    root = answered(database, "root", "r")
    middle = answered(database, "middle", "m", previous_response_id=root.id)
    leaf = answered(database, "leaf", "l", previous_response_id=middle.id)
    sibling = answered(database, "sibling", "s", previous_response_id=root.id)
    remove(database, middle.id)
    assert history(database, leaf.id) is None
    assert history(database, middle.id) is None
    assert texts(history(database, sibling.id) or []) == ["root", "r", "sibling", "s"]
    with pytest.raises(InvalidRequest, match="not found"):
        create(database, previous_response_id=leaf.id)
    remove(database, root.id)
    assert history(database, sibling.id) is None


def test_an_empty_turn_has_an_empty_history_and_breaks_no_chain(database: Database) -> None:
    empty = claimed(database)
    finish(database, empty)
    assert history(database, empty.id) == []
    follow_up = create(database, [said("hi")], previous_response_id=empty.id)
    assert texts(history(database, follow_up.id) or []) == ["hi"]


def test_items_read_back_unchanged(database: Database) -> None:
    """C5: unknown fields, their order, every script, big and small numbers."""
    odd: Item = {
        "id": "x",
        "type": "message",
        "z": [1e308, -0.0, 2**53, None, True],
        "a": {"deep": [[[]]]},
        "text": "\u2028 \U0001f600 \\ \" ' \x7f é e\u0301",
    }
    turn = create(database, [odd])
    found = history(database, turn.id)
    assert found == [odd]
    assert list(found[0]) == list(odd)


def test_calls_are_the_function_calls_and_outputs_of_the_chain(database: Database) -> None:
    """R10: tool items of all earlier turns count, siblings' do not."""
    asking = claimed(database, [said("look")])
    finish(database, asking, [called("c1"), called("c2")])
    answering = claimed(database, [returned("c2"), returned("c1")], previous_response_id=asking.id)
    finish(database, answering, [said("done", "assistant")])
    aside = claimed(database, [returned("c1")], previous_response_id=asking.id)
    with database.read() as connection:
        found = items.calls(connection, OWNER, answering.id)
        elsewhere = items.calls(connection, OWNER, aside.id)
    pairs = sorted((item["type"], item["call_id"]) for item in found)
    assert pairs == [
        ("function_call", "c1"),
        ("function_call", "c2"),
        ("function_call_output", "c1"),
        ("function_call_output", "c2"),
    ]
    assert len(elsewhere) == 3
