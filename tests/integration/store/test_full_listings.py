"""A page of a listing reads what it shows, whatever the filter and however much is stored (C9, Q1)."""

from typing import Any

import pytest

from shared.store import conversation_items, conversations, items, responses
from shared.store.conversations import Conversation
from shared.store.engine import Connection, Database
from shared.store.pages import PageRequest
from tests.statements import plans_of, statements_of, steps_of
from tests.stored_conversations import converse
from tests.stored_past import fill
from tests.stored_turns import OWNER, answered, change

STORED = 20_000
MOST_STEPS = 15_000
"""Of SQLite's machine for one statement: reading the stored responses takes several for each."""
PAGE = PageRequest(limit=20)

FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "a status that few have": {"status": "failed"},
    "a status that nobody has": {"status": "incomplete"},
    "a status that nearly all have": {"status": "completed"},
    "metadata that few have": {"labels": {"team": "a"}},
    "metadata that nobody has": {"labels": {"team": "none"}},
    "a key that nobody has": {"labels": {"ключ": "\"x'"}},
    "two of them": {"labels": {"team": "a", "tier": "b"}},
    "metadata and a status": {"labels": {"team": "a"}, "status": "completed"},
    "a conversation": {"conversation_id": "mine"},
    "a conversation and a status": {"conversation_id": "mine", "status": "failed"},
}


@pytest.fixture(params=["with statistics", "without"])
def full(request: pytest.FixtureRequest, database: Database) -> tuple[Database, str]:
    """The store, and a conversation in it with one turn. Most responses are one large owner's."""
    statistics = request.param == "with statistics"
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE response SET owner = owner")  # the table is there
    conversation_id = converse(database)
    fill(database, STORED, statistics=False)
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE response SET owner = '{OWNER}' WHERE owner < 'owner5'")
    answered(database, "q", "a", conversation_id=conversation_id)
    for labels in ({"team": "a"}, {"team": "a", "tier": "b"}, {"tier": "b"}):
        answered(database, "q", "a", request={"model": "m", "metadata": labels})
    change(database, answered(database, "q", "a").id, status="failed")
    if statistics:
        with database.write() as connection:
            connection.exec_driver_sql("ANALYZE")
    return database, conversation_id


def page(connection: Connection, given: dict[str, Any], request: PageRequest) -> list[str]:
    filters = {"labels": {}, "status": None, "conversation_id": None} | given
    return [stored.turn.id for stored in responses.page(connection, OWNER, request, **filters).entries]


@pytest.mark.parametrize("given", FILTERS.values(), ids=FILTERS.keys())
def test_a_page_of_responses_reads_no_others(full: tuple[Database, str], given: dict[str, Any]) -> None:
    database, conversation_id = full
    if "conversation_id" in given:
        given = given | {"conversation_id": conversation_id}
    with database.read() as connection, statements_of(database) as asked, steps_of(database) as steps:
        for descending in (True, False):
            found = page(connection, given, PageRequest(limit=20, descending=descending))
            for after in found[-1:]:
                page(connection, given, PageRequest(after, 20, descending))
    _assert_bounded(database, asked, steps)


def test_a_page_of_an_empty_conversation_and_of_others_reads_nothing_else(full: tuple[Database, str]) -> None:
    database, conversation_id = full
    empty = converse(database)
    with database.read() as connection, statements_of(database) as asked, steps_of(database) as steps:
        assert conversation_items.page(connection, OWNER, empty, PAGE).entries == []
        assert len(conversation_items.page(connection, OWNER, conversation_id, PAGE).entries) == 2
        items.input_page(connection, OWNER, "resp_past7", PAGE)
        conversations.page(connection, OWNER, PAGE, {})
        conversations.page(connection, OWNER, PAGE, {"team": "a"})
    _assert_bounded(database, asked, steps)


def test_a_label_follows_its_metadata(database: Database) -> None:
    """Replaced, it is found under the new value alone; deleted, under none."""
    with database.write() as connection:
        conversations.create(connection, OWNER, Conversation("conv_1", 1, {"team": "a"}))
    for value, found in (("a", ["conv_1"]), ("b", [])):
        assert _conversations(database, value) == found
    with database.write() as connection:
        conversations.set_metadata(connection, OWNER, "conv_1", {"team": "b"})
    for value, found in (("a", []), ("b", ["conv_1"])):
        assert _conversations(database, value) == found
    with database.write() as connection:
        assert conversations.remove(connection, OWNER, "conv_1")
    assert _conversations(database, "b") == []
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM conversation_label").scalar_one() == 0


def _conversations(database: Database, team: str) -> list[str]:
    with database.read() as connection:
        return [one.id for one in conversations.page(connection, OWNER, PAGE, {"team": team}).entries]


def _assert_bounded(database: Database, asked: list[Any], steps: list[int]) -> None:
    counted = zip(steps, asked, strict=False)
    assert not [(count * 100, said) for count, (said, _) in counted if count * 100 >= MOST_STEPS]
    if database.engine.dialect.name == "postgresql":
        for plan in plans_of(database, asked):
            assert "Seq Scan on response " not in plan, plan
