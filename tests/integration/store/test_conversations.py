"""Conversations are made, read, changed, listed and deleted by their owner alone (C1, C4, C9, I1)."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.core.turn_status import Status
from shared.errors import InvalidRequest, NotFound
from shared.ids import new_conversation_id
from shared.store import conversation_items, conversations, items, responses
from shared.store.conversations import Conversation
from shared.store.engine import Connection, Database
from shared.store.pages import Page, PageRequest
from tests.stored_conversations import add, contents, converse, delete, end, take_out
from tests.stored_turns import NOW, OWNER, answered, claimed, create, everything, new_turn, row, said, texts

STRANGER = "mallory"
ALL = PageRequest(limit=100)


def get(database: Database, conversation_id: str, owner: str = OWNER) -> Conversation | None:
    with database.read() as connection:
        return conversations.get(connection, owner, conversation_id)


def set_metadata(database: Database, conversation_id: str, metadata: dict[str, str], owner: str = OWNER) -> bool:
    with database.write() as connection:
        return conversations.set_metadata(connection, owner, conversation_id, metadata)


def listed(database: Database, request: PageRequest = ALL, owner: str = OWNER, **labels: str) -> list[str]:
    with database.read() as connection:
        return [found.id for found in conversations.page(connection, owner, request, labels).entries]


def listed_responses(
    database: Database, *, request: PageRequest = ALL, labels: dict[str, str] | None = None, **filters: Any
) -> list[str]:
    wanted: dict[str, Any] = {"status": None, "conversation_id": None} | filters
    with database.read() as connection:
        page = responses.page(connection, OWNER, request, labels=labels or {}, **wanted)
    return [stored.turn.id for stored in page.entries]


def test_a_conversation_reads_back_and_its_metadata_is_replaced_whole(database: Database) -> None:
    """C1, C7: empty metadata is `{}`."""
    labelled, plain = converse(database, a="ü", b="2"), converse(database)
    assert get(database, labelled) == Conversation(labelled, int(NOW), {"a": "ü", "b": "2"})
    assert get(database, plain) == Conversation(plain, int(NOW), {})
    assert set_metadata(database, labelled, {"c": "3"})
    assert get(database, labelled) == Conversation(labelled, int(NOW), {"c": "3"})
    assert set_metadata(database, labelled, {})
    assert get(database, labelled) == Conversation(labelled, int(NOW), {})


READS: dict[str, Callable[[Connection, str, str, str], Any]] = {
    "get": lambda c, owner, one, _: conversations.get(c, owner, one),
    "set_metadata": lambda c, owner, one, _: conversations.set_metadata(c, owner, one, {"x": "y"}),
    "remove": lambda c, owner, one, _: conversations.remove(c, owner, one),
    "lock": lambda c, owner, one, _: conversations.lock(c, owner, one),
    "item": lambda c, owner, one, item: conversation_items.get(c, owner, one, item),
    "remove item": lambda c, owner, one, item: conversation_items.remove(c, owner, one, item),
    "history": lambda c, owner, one, _: conversation_items.history(c, owner, one),
    "reference": lambda c, owner, _, item: items.find(c, owner, [item]),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("owner", [STRANGER, "", "ALICE", "%"])
def test_a_foreign_conversation_is_an_unknown_one(database: Database, name: str, owner: str) -> None:
    """I1, C4: for every way in, and nothing changes."""
    item = said("hi")
    conversation_id = converse(database, [item])
    before = everything(database)
    for one in (conversation_id, new_conversation_id()):
        with database.write() as connection:
            assert not READS[name](connection, owner, one, item["id"])
    assert everything(database) == before


def test_a_foreign_conversation_takes_no_turn_and_is_in_no_listing(database: Database) -> None:
    """I1."""
    conversation_id = converse(database, [said("hi")])
    before = everything(database)
    for one in (conversation_id, new_conversation_id()):
        with pytest.raises(NotFound) as refused:
            create(database, owner=STRANGER, conversation_id=one)
        assert refused.value.param == "conversation"
        with database.read() as connection:
            assert conversation_items.page(connection, STRANGER, one, ALL) == Page([], False)
    assert listed(database, owner=STRANGER) == []
    with pytest.raises(InvalidRequest):
        listed(database, PageRequest(after=conversation_id), owner=STRANGER)
    assert everything(database) == before


def test_a_deleted_conversation_is_gone_with_its_items(database: Database) -> None:
    """C4."""
    item = said("hi")
    conversation_id, other = converse(database, [item]), converse(database, [said("stays")])
    assert delete(database, conversation_id)
    assert not delete(database, conversation_id)
    assert not set_metadata(database, conversation_id, {})
    assert get(database, conversation_id) is None
    assert listed(database) == [other]
    assert item["id"] not in str(everything(database))
    assert texts(contents(database, other)) == ["stays"]
    with pytest.raises(NotFound):
        create(database, conversation_id=conversation_id)


def test_items_of_a_deleted_conversation_stay_in_their_responses(database: Database) -> None:
    """An item is in a response, in a conversation or in both: leaving one keeps it in the other."""
    conversation_id = converse(database, [said("before")])
    turn = answered(database, "q", "a", conversation_id=conversation_id)
    assert delete(database, conversation_id)
    with database.read() as connection:
        assert texts(items.history(connection, OWNER, turn.id) or []) == ["q", "a"]
    assert "before" not in str(everything(database))


def test_items_of_a_deleted_response_stay_in_their_conversation(database: Database) -> None:
    conversation_id = converse(database, [said("before")])
    turn = answered(database, "q", "a", conversation_id=conversation_id)
    with database.write() as connection:
        assert responses.remove(connection, OWNER, turn.id)
    assert texts(contents(database, conversation_id)) == ["before", "q", "a"]


def test_an_item_that_is_in_neither_is_erased(database: Database) -> None:
    """G21: in whichever order it leaves them."""
    for conversation_first in (True, False):
        conversation_id = converse(database)
        turn = answered(database, "secret q", "secret a", conversation_id=conversation_id)
        question = contents(database, conversation_id)[0]
        if conversation_first:
            assert take_out(database, conversation_id, question["id"])
        with database.write() as connection:
            assert responses.remove(connection, OWNER, turn.id)
        if not conversation_first:
            assert take_out(database, conversation_id, question["id"])
        assert "secret q" not in str(everything(database))
        assert texts(contents(database, conversation_id)) == ["secret a"]
        assert delete(database, conversation_id)
        assert "secret a" not in str(everything(database))


def test_a_conversation_deleted_under_a_running_turn_lets_it_end_and_gets_nothing(database: Database) -> None:
    """The turn ends as it would have; its items are its own."""
    conversation_id = converse(database)
    turn = claimed(database, [said("q")], conversation_id=conversation_id)
    assert delete(database, conversation_id)
    assert end(database, turn, Status.COMPLETED, output=[said("a", "assistant")]) == []
    assert row(database, turn.id)["status"] == "completed"
    with database.read() as connection:
        assert texts(items.history(connection, OWNER, turn.id) or []) == ["q", "a"]
    assert contents(database, conversation_id) == []


ODD = ["a.b", 'a"b', "a\\b", "a'b", "", "0", "[0]", "$", "ü", "\u2028", "a%b", "%s", ":x", "{x}", "\t"]


def test_any_metadata_can_be_filtered_by(database: Database) -> None:
    """C9: whatever its keys and values hold."""
    made = {text: converse(database, **{text: text, "shared": "1"}) for text in ODD}
    turns = {text: create(database, request={"model": "m", "metadata": {text: text}}).id for text in ODD}
    for text in ODD:
        assert listed(database, **{text: text, "shared": "1"}) == [made[text]]
        assert listed_responses(database, labels={text: text}) == [turns[text]]
        assert listed(database, **{text: text + "x"}) == []
        assert listed(database, **{text + "x": text}) == []
    assert len(listed(database, shared="1")) == len(ODD)
    assert listed(database, shared="2") == []


def test_responses_are_listed_by_status_and_conversation(database: Database) -> None:
    """C9: newest first; what was not stored is in no listing."""
    conversation_id, other = converse(database), converse(database)
    first = answered(database, "q", "a", conversation_id=conversation_id)
    second = answered(database, "q", "a")
    third = claimed(database, conversation_id=conversation_id)
    waiting = create(database, conversation_id=conversation_id)
    create(database, store=False)
    create(database, owner=STRANGER)
    assert listed_responses(database) == [waiting.id, third.id, second.id, first.id]
    assert listed_responses(database, status="completed") == [second.id, first.id]
    assert listed_responses(database, conversation_id=conversation_id) == [waiting.id, third.id, first.id]
    assert listed_responses(database, conversation_id=conversation_id, status="queued") == [waiting.id]
    assert listed_responses(database, conversation_id=other) == []


def test_a_cursor_stays_good_when_its_entry_no_longer_matches(database: Database) -> None:
    """C3: a turn may end while its caller turns the page."""
    turns = [claimed(database) for _ in range(3)]
    cursor = PageRequest(after=turns[1].id)
    end(database, turns[1], Status.COMPLETED)
    assert listed_responses(database, request=cursor, status="in_progress") == [turns[0].id]
    made = [converse(database, topic="a") for _ in range(3)]
    set_metadata(database, made[1], {})
    assert listed(database, PageRequest(after=made[1]), topic="a") == [made[0]]


def test_a_listing_knows_no_foreign_and_no_unknown_cursor(database: Database) -> None:
    """C3, I1."""
    foreign = converse(database, owner=STRANGER)
    turn = new_turn(owner=STRANGER)
    for cursor in (foreign, turn.id, "", "conv_unknown"):
        for listing in (listed, listed_responses):
            with pytest.raises(InvalidRequest) as refused:
                listing(database, request=PageRequest(after=cursor))
            assert refused.value.param == "after"


def test_adding_to_a_conversation_changes_no_other(database: Database) -> None:
    one, other = converse(database, [said("1")]), converse(database, [said("2")])
    add(database, one, [said("3")])
    assert texts(contents(database, one)) == ["1", "3"]
    assert texts(contents(database, other)) == ["2"]
