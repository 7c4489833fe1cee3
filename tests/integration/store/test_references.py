"""A reference points at an item its owner has stored, in whatever place, and at nothing else (I1, C2)."""

import pytest

from shared.errors import InvalidRequest
from shared.store import items, references, responses
from shared.store.engine import Database
from shared.wire.items import Item
from tests.statements import statements_of
from tests.stored_conversations import converse, delete, take_out
from tests.stored_turns import OWNER, called, claimed, create, finish, returned, said


def named(item_id: str, text: str) -> Item:
    return said(text) | {"id": item_id}


def to(item_id: str) -> Item:
    return {"type": "item_reference", "id": item_id}


def find(database: Database, *item_ids: str, owner: str = OWNER) -> dict[str, Item]:
    with database.read() as connection:
        return items.find(connection, owner, item_ids)


def test_items_are_found_in_conversations_and_responses_inputs_and_outputs_alike(database: Database) -> None:
    converse(database, [named("msg_c", "c")])
    turn = claimed(database, [named("msg_i", "i")])
    finish(database, turn, [named("msg_o", "o")])
    found = find(database, "msg_c", "msg_i", "msg_o", "msg_unknown")
    assert found == {f"msg_{name}": named(f"msg_{name}", name) for name in "cio"}


def test_an_items_copy_made_last_is_the_one_that_is_found(database: Database) -> None:
    """C2: one id may be in several places of one owner."""
    first = converse(database, [named("msg_1", "old")])
    second = converse(database, [named("msg_1", "new")])
    assert find(database, "msg_1") == {"msg_1": named("msg_1", "new")}
    assert delete(database, second)
    assert find(database, "msg_1") == {"msg_1": named("msg_1", "old")}
    assert take_out(database, first, "msg_1")
    assert find(database, "msg_1") == {}


def test_another_owners_items_are_not_found(database: Database) -> None:
    """I1: nor do they hide one's own of the same id."""
    converse(database, [named("msg_1", "mine")])
    converse(database, [named("msg_1", "theirs"), named("msg_2", "theirs")], owner="mallory")
    assert find(database, "msg_1", "msg_2") == {"msg_1": named("msg_1", "mine")}


def test_what_was_not_stored_or_was_deleted_is_not_found(database: Database) -> None:
    """Q9, G21."""
    finish(database, claimed(database, [named("msg_1", "not stored")], store=False))
    gone = claimed(database, [named("msg_2", "deleted")])
    finish(database, gone)
    with database.write() as connection:
        assert responses.remove(connection, OWNER, gone.id)
    assert find(database, "msg_1", "msg_2") == {}


def test_a_reference_is_no_item_to_point_at(database: Database) -> None:
    create(database, [to("msg_1")])
    assert find(database, "msg_1") == {}


def test_a_check_names_the_first_reference_to_nothing_by_its_place(database: Database) -> None:
    converse(database, [named("msg_1", "one")])
    given = [said("new"), to("msg_1"), to("msg_none"), to("msg_nil")]
    with database.read() as connection:
        references.check(connection, OWNER, given[:2])
        for name in ("input", "items"):
            with pytest.raises(InvalidRequest) as refused:
                references.check(connection, OWNER, given, name)
            assert (refused.value.param, refused.value.code) == (f"{name}[2].id", "item_not_found")
        with pytest.raises(InvalidRequest):
            references.check(connection, "mallory", given[:2])


def test_references_become_their_items_in_place_and_nothing_else_changes(database: Database) -> None:
    converse(database, [named("msg_1", "one")])
    new = said("new") | {"id": "msg_1"}
    given = [new, to("msg_1"), to("msg_none")]
    with database.read() as connection:
        assert references.resolve(connection, OWNER, given) == [new, named("msg_1", "one"), to("msg_none")]
    assert given[1] == to("msg_1")


def test_input_without_references_costs_no_query(database: Database) -> None:
    with database.read() as connection, statements_of(database) as statements:
        references.check(connection, OWNER, [said("a")])
        assert references.resolve(connection, OWNER, []) == []
    assert statements == []


def test_a_referred_call_or_output_counts_in_its_chain(database: Database) -> None:
    """R10: what the next turn's check reads has the references in it."""
    call, output = called("c1"), returned("c1")
    converse(database, [call, output])
    asking = claimed(database, [to(call["id"])])
    finish(database, asking)
    answering = claimed(database, [to(output["id"])], previous_response_id=asking.id)
    with database.read() as connection:
        found = references.resolve(connection, OWNER, items.calls(connection, OWNER, answering.id))
    assert sorted(item["type"] for item in found) == ["function_call", "function_call_output"]
