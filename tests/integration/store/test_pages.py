"""Listings by keyset: true in both orders, from any cursor, and as fast at the end of a long one (C3)."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, text

from shared.errors import InvalidRequest
from shared.store import conversation_items, conversations, creation, items, responses
from shared.store.engine import Connection, Database
from shared.store.pages import Page, PageRequest
from shared.store.tables import RESPONSE
from tests.statements import plans_of, statements_of
from tests.stored_conversations import converse, take_out
from tests.stored_turns import OWNER, answered, create, new_turn, row, said

MANY = 100_000
PAGE_SECONDS = 0.5

Listed = Callable[[Connection, PageRequest], list[str]]


def _ids(page: Page[str]) -> tuple[list[str], bool]:
    return [orjson.loads(entry)["id"] for entry in page.entries], page.has_more


def of_conversations(database: Database, count: int) -> tuple[list[str], Any]:
    def turn_page(connection: Connection, request: PageRequest) -> tuple[list[str], bool]:
        page = conversations.page(connection, OWNER, request, {})
        return [found.id for found in page.entries], page.has_more

    return [converse(database) for _ in range(count)], turn_page


def of_items(database: Database, count: int) -> tuple[list[str], Any]:
    made = [said(str(number)) for number in range(count)]
    conversation_id = converse(database, made)
    converse(database, [said("aside")])
    return [item["id"] for item in made], lambda c, request: _ids(
        conversation_items.page(c, OWNER, conversation_id, request)
    )


def of_input_items(database: Database, count: int) -> tuple[list[str], Any]:
    made = [said(str(number)) for number in range(count)]
    turn = create(database, made)
    answered(database, "aside", "a")
    return [item["id"] for item in made], lambda c, request: _ids(items.input_page(c, OWNER, turn.id, request))


def of_responses(database: Database, count: int) -> tuple[list[str], Any]:
    def turn_page(connection: Connection, request: PageRequest) -> tuple[list[str], bool]:
        page = responses.page(connection, OWNER, request, labels={}, status=None, conversation_id=None)
        return [stored.turn.id for stored in page.entries], page.has_more

    return [create(database).id for _ in range(count)], turn_page


LISTINGS = [of_conversations, of_items, of_input_items, of_responses]


@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_every_page_from_every_cursor_is_that_part_of_the_whole(
    database: Database, listing: Callable[[Database, int], tuple[list[str], Any]], count: int
) -> None:
    """C3: both orders, every cursor, every limit up to one beyond the end; `has_more` is true."""
    made, turn_page = listing(database, count)
    with database.read() as connection:
        for descending, limit in itertools.product((False, True), range(1, count + 2)):
            whole = made[::-1] if descending else made
            for after in (None, *whole):
                rest = whole[whole.index(after) + 1 :] if after else whole
                page = turn_page(connection, PageRequest(after, limit, descending))
                assert page == (rest[:limit], len(rest) > limit)


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_cursor_that_is_not_in_the_listing_is_refused(
    database: Database, listing: Callable[[Database, int], tuple[list[str], Any]]
) -> None:
    """C3: another listing's ids included."""
    _, turn_page = listing(database, 2)
    elsewhere = said("elsewhere")
    others = ["", "x", converse(database, [elsewhere], owner="mallory"), elsewhere["id"], new_turn().id]
    with database.read() as connection:
        for after in others:
            with pytest.raises(InvalidRequest) as refused:
                turn_page(connection, PageRequest(after))
            assert refused.value.param == "after"


def test_pages_of_a_changing_listing_show_what_stays_once(database: Database) -> None:
    """C3: nothing twice and nothing left out, whatever comes and goes on either side of the cursor."""
    made, turn_page = of_items(database, 9)
    conversation_id = _conversation_of(database, made[0])
    with database.read() as connection:
        first, _ = turn_page(connection, PageRequest(None, 3, False))
    for gone in (made[0], made[5]):
        assert take_out(database, conversation_id, gone)
    with database.read() as connection:
        second, has_more = turn_page(connection, PageRequest(first[-1], 20, False))
    assert second == [made[3], made[4], *made[6:]]
    assert not has_more


def long_conversation(database: Database, count: int) -> str:
    """A conversation of so many messages, beside another in the same table, when the database has looked at both."""
    conversation_id, other = converse(database), converse(database)
    with database.write() as connection:
        _fill(connection, other, count // 5)
        _fill(connection, conversation_id, count)
        connection.exec_driver_sql("ANALYZE")
    return conversation_id


def _fill(connection: Connection, conversation_id: str, count: int) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)"
    if connection.dialect.name == "postgresql":
        numbers = "WITH n AS (SELECT generate_series(0, :count - 1) AS i)"
    into = "INSERT INTO item (id, owner, conversation_id, conversation_position, type, data) "
    rows = "SELECT 'msg_' || i, :owner, :conversation, i, 'message', :head || 'msg_' || i || '\"}' FROM n"
    connection.execute(
        text(f"{into} {numbers} {rows}" if connection.dialect.name == "sqlite" else f"{numbers} {into} {rows}"),
        {"count": count, "owner": OWNER, "conversation": conversation_id, "head": '{"id":"'},
    )
    conversations.take_positions(connection, conversation_id, count)


def test_pages_of_a_hundred_thousand_items_are_index_searches(database: Database) -> None:
    """C3: at the beginning, in the middle and at the end, in both orders, with no scan, no sort and no delay."""
    conversation_id = long_conversation(database, MANY)
    for after, descending in itertools.product((None, "msg_7", "msg_50000", "msg_99990"), (True, False)):
        request = PageRequest(after, 100, descending)
        with database.read() as connection, statements_of(database) as statements:
            began = time.perf_counter()
            found, _ = _ids(conversation_items.page(connection, OWNER, conversation_id, request))
            assert time.perf_counter() - began < PAGE_SECONDS
        assert found == _expected(after, descending)
        # The few entries beyond a cursor near the end may be sorted, as far as Postgres knows their number.
        forbidden = ("Seq Scan", "SCAN", *(("Sort", "TEMP B-TREE", "Bitmap") if len(found) == 100 else ()))
        for plan in plans_of(database, statements):
            assert "USING INDEX" in plan or "Index Scan" in plan, plan
            assert not any(word in plan for word in forbidden), plan


def test_a_turn_in_a_long_conversation_is_made_without_reading_it(database: Database) -> None:
    """What the check of a turn reads grows with the tool items and the waiting turns alone."""
    conversation_id = long_conversation(database, 5_000)
    _fill_with_turns(database, conversation_id, 2_000)
    with database.write() as connection, statements_of(database) as statements:
        assert creation.create(connection, OWNER, new_turn(conversation_id=conversation_id), []) is None
        assert conversation_items.tool_types(connection, conversation_id) == set()
        assert conversation_items.calls(connection, conversation_id) == []
    reading = [(said, given) for said, given in statements if "FROM item" in said or "FROM response" in said]
    assert len(reading) == 3
    for plan in plans_of(database, reading):
        assert "ix_item_conversation_id_tools" in plan or "ix_response_conversation_id_active" in plan, plan


def test_the_listing_of_one_conversations_responses_does_not_read_the_others(database: Database) -> None:
    """C9."""
    conversation_id = converse(database)
    for number in range(300):
        answered(database, "q", "a", conversation_id=conversation_id if number % 100 == 0 else None)
    with database.write() as connection:
        connection.exec_driver_sql("ANALYZE")
    for filters in ({"conversation_id": conversation_id, "status": None}, {"conversation_id": None, "status": None}):
        with database.read() as connection, statements_of(database) as statements:
            responses.page(connection, OWNER, PageRequest(limit=2), labels={}, **filters)  # type: ignore[arg-type]
        for plan in plans_of(database, statements):
            assert not any(word in plan for word in ("Seq Scan", "SCAN")), plan


def _fill_with_turns(database: Database, conversation_id: str, count: int) -> None:
    turn = dict(row(database, answered(database, "q", "a", conversation_id=conversation_id).id))
    del turn["position"]
    with database.write() as connection:
        connection.execute(insert(RESPONSE), [turn | {"id": f"resp_{number}"} for number in range(count)])
        connection.exec_driver_sql("ANALYZE")


def _expected(after: str | None, descending: bool) -> list[str]:
    whole = range(MANY - 1, -1, -1) if descending else range(MANY)
    start = whole.index(int(after.removeprefix("msg_"))) + 1 if after else 0
    return [f"msg_{number}" for number in whole[start : start + 100]]


def _conversation_of(database: Database, item_id: str) -> str:
    with database.read() as connection:
        found: str = connection.execute(
            text("SELECT conversation_id FROM item WHERE id = :id"), {"id": item_id}
        ).scalar_one()
    return found
