"""A turn's context is read when it is claimed: all that came before it, and nothing that did not (C8, R8, R9)."""

import pytest
from sqlalchemy import insert

from shared.core.context import Context
from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.store import context, responses
from shared.store.engine import Database
from shared.store.tables import ITEM, RESPONSE
from shared.wire.items import Item
from tests.statements import plans_of, statements_of
from tests.stored_conversations import add, contents, converse, delete, end, take_out
from tests.stored_turns import OWNER, answered, claim, claimed, create, everything, finish, row, said, texts


def load(database: Database, turn: Turn) -> Context | None:
    with database.read() as connection:
        return context.load(connection, turn)


def told(database: Database, turn: Turn) -> list[str] | None:
    found = load(database, turn)
    return None if found is None else texts(found.items)


def test_a_turn_by_itself_is_told_its_own_input(database: Database) -> None:
    answered(database, "other", "a")
    turn = claimed(database, [said("1"), said("2")])
    assert load(database, turn) == Context([], load_own(database, turn))
    assert told(database, turn) == ["1", "2"]


def test_a_turn_of_a_conversation_is_told_its_items_first(database: Database) -> None:
    conversation_id = converse(database, [said("1"), said("2")])
    converse(database, [said("other")])
    turn = claimed(database, [said("mine")], conversation_id=conversation_id)
    found = load(database, turn)
    assert found is not None
    assert (texts(found.before), texts(found.own)) == (["1", "2"], ["mine"])


def test_a_waiting_turn_is_told_what_became_of_the_one_before(database: Database) -> None:
    """R9: as it is at claim, not as it was when the turn was made."""
    conversation_id = converse(database)
    first = claimed(database, [said("q1")], conversation_id=conversation_id)
    second = create(database, [said("q2")], conversation_id=conversation_id)
    add(database, conversation_id, [said("meanwhile")])
    finish(database, first, [said("a1", "assistant")])
    held = claim(database, second.id)
    assert held is not None
    assert told(database, held) == ["meanwhile", "q1", "a1", "q2"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.INCOMPLETE])
def test_a_conversation_goes_on_from_what_it_remembers(database: Database, status: Status) -> None:
    """A failed turn leaves nothing in it, an incomplete one what it has said."""
    conversation_id = converse(database, [said("before")])
    end(database, claimed(database, [said("q")], conversation_id=conversation_id), status, [said("a", "assistant")])
    turn = claimed(database, [said("next")], conversation_id=conversation_id)
    remembered = ["q", "a"] if status is Status.INCOMPLETE else []
    assert told(database, turn) == ["before", *remembered, "next"]


def test_what_is_deleted_from_a_conversation_is_told_no_more(database: Database) -> None:
    """C8: there is no second, hidden copy."""
    conversation_id = converse(database, [said("1"), said("secret"), said("3")])
    answered(database, "q", "a", conversation_id=conversation_id)
    for item in contents(database, conversation_id):
        if texts([item])[0] in ("secret", "a"):
            assert take_out(database, conversation_id, item["id"])
    turn = claimed(database, [said("next")], conversation_id=conversation_id)
    assert told(database, turn) == ["1", "3", "q", "next"]


def test_a_response_deleted_from_under_a_conversation_takes_nothing_away(database: Database) -> None:
    conversation_id = converse(database)
    before = answered(database, "q", "a", conversation_id=conversation_id)
    with database.write() as connection:
        assert responses.remove(connection, OWNER, before.id)
    turn = claimed(database, [said("next")], conversation_id=conversation_id)
    assert told(database, turn) == ["q", "a", "next"]


def test_a_deleted_conversation_tells_nothing_at_all(database: Database) -> None:
    """Not even the turn's own input alone: the answer would be one to another question."""
    conversation_id = converse(database, [said("1")])
    turn = claimed(database, [said("q")], conversation_id=conversation_id)
    assert delete(database, conversation_id)
    assert load(database, turn) is None


def test_a_chain_with_a_link_gone_tells_nothing_at_all(database: Database) -> None:
    """R8."""
    first = answered(database, "q1", "a1")
    second = answered(database, "q2", "a2", previous_response_id=first.id)
    turn = claimed(database, [said("q3")], previous_response_id=second.id)
    assert told(database, turn) == ["q1", "a1", "q2", "a2", "q3"]
    with database.write() as connection:
        assert responses.remove(connection, OWNER, first.id)
    assert load(database, turn) is None


def test_a_branch_from_a_turn_of_a_conversation_is_told_that_turn_alone(database: Database) -> None:
    """R8: the branch is not in the conversation, and the conversation does not see it."""
    conversation_id = converse(database, [said("before")])
    root = answered(database, "q", "a", conversation_id=conversation_id)
    branch = claimed(database, [said("aside")], previous_response_id=root.id)
    assert told(database, branch) == ["q", "a", "aside"]
    finish(database, branch, [said("b", "assistant")])
    assert texts(contents(database, conversation_id)) == ["before", "q", "a"]


def test_references_are_told_as_what_they_point_at(database: Database) -> None:
    """In the turn's own input and in its chain; one whose item is gone stays, for the prompt to refuse."""
    conversation_id = converse(database, [said("kept") | {"id": "msg_kept"}, said("lost") | {"id": "msg_lost"}])
    reference = {"type": "item_reference", "id": "msg_kept"}
    first = claimed(database, [said("q"), reference])
    finish(database, first, [said("a", "assistant")])
    turn = claimed(database, [reference, {"type": "item_reference", "id": "msg_lost"}], previous_response_id=first.id)
    assert told(database, turn) == ["q", "kept", "a", "kept", "lost"]
    assert take_out(database, conversation_id, "msg_lost")
    found = load(database, turn)
    assert found is not None
    assert found.own[1] == {"type": "item_reference", "id": "msg_lost"}


def test_an_owner_is_told_nothing_of_another(database: Database) -> None:
    """I1: even if a row were to point there."""
    foreign = answered(database, "secret", "s", owner="mallory")
    conversation_id = converse(database, [said("secret") | {"id": "msg_secret"}], owner="mallory")
    turn = claimed(database, [{"type": "item_reference", "id": "msg_secret"}])
    before = everything(database)
    facts = {name: getattr(turn, name) for name in turn.__slots__}
    for link in ({"previous_response_id": foreign.id}, {"conversation_id": conversation_id}):
        assert load(database, Turn(**facts | link)) is None
    assert "secret" not in str(load(database, turn)).replace("msg_secret", "")
    assert everything(database) == before


def load_own(database: Database, turn: Turn) -> list[Item]:
    found = load(database, turn)
    assert found is not None
    return found.own


@pytest.mark.parametrize("goes_on_from", ["conversation_id", "previous_response_id"])
def test_what_else_its_owner_has_is_not_read(database: Database, goes_on_from: str) -> None:
    """R4: not even where the database has no statistics, as after a restore, and thinks that an owner has few rows."""
    conversation_id = converse(database, [said("1")])
    before = answered(database, "1", "2").id
    _fill(database, 2_000)
    turn = claimed(database, [said("3")], **{goes_on_from: conversation_id if "conv" in goes_on_from else before})
    with statements_of(database) as statements:
        load(database, turn)
    for plan in plans_of(database, statements):
        assert "owner_" not in plan, plan


def _fill(database: Database, count: int) -> None:
    turn = dict(row(database, answered(database, "q", "a").id))
    del turn["position"]
    item = {"owner": OWNER, "type": "message", "data": "{}"}
    with database.write() as connection:
        connection.execute(insert(RESPONSE), [turn | {"id": f"resp_{number}"} for number in range(count)])
        connection.execute(
            insert(ITEM), [item | {"id": f"msg_{number}", "response_id": f"resp_{number}"} for number in range(count)]
        )
