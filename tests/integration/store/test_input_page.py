"""A response's input items, page by page, by keyset (C3)."""

import orjson
import pytest

from shared.errors import InvalidRequest
from shared.store import items
from shared.store.engine import Database
from shared.store.pages import Page, PageRequest
from tests.stored_turns import OWNER, answered, create, said, texts


def page(
    database: Database, response_id: str, after: str | None = None, limit: int = 3, descending: bool = False
) -> Page[str]:
    with database.read() as connection:
        return items.input_page(connection, OWNER, response_id, PageRequest(after, limit, descending))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 6, 7, 8, 100])
def test_pages_hold_every_item_once_in_order_and_has_more_is_true(
    database: Database, limit: int, descending: bool
) -> None:
    """C3: `has_more` tells the truth also when the last page is exactly full."""
    turn = create(database, [said(str(number)) for number in range(7)])
    seen: list[str] = []
    after = None
    for _ in range(10):
        found = page(database, turn.id, after, limit, descending)
        read = [orjson.loads(item) for item in found.entries]
        assert len(read) <= limit
        seen += texts(read)
        assert found.has_more == (len(seen) < 7)
        if not found.has_more:
            break
        after = read[-1]["id"]
    assert seen == [str(number) for number in (reversed(range(7)) if descending else range(7))]


def test_only_the_turns_own_input_is_listed(database: Database) -> None:
    """Neither its output, nor its parent's items."""
    parent = answered(database, "before", "answer")
    turn = answered(database, "mine", "output", previous_response_id=parent.id)
    assert texts([orjson.loads(item) for item in page(database, turn.id).entries]) == ["mine"]


@pytest.mark.parametrize("descending", [False, True])
def test_a_cursor_that_is_not_in_the_list_is_refused(database: Database, descending: bool) -> None:
    """C3: unknown, somebody else's, and another response's item are the same 400."""
    here = said("here")
    turn = create(database, [here])
    theirs, elsewhere = said("theirs"), said("elsewhere")
    create(database, [theirs], owner="mallory")
    create(database, [elsewhere])
    for cursor in ("msg_unknown", theirs["id"], elsewhere["id"], ""):
        with pytest.raises(InvalidRequest) as refused:
            page(database, turn.id, cursor, descending=descending)
        assert (refused.value.param, refused.value.status) == ("after", 400)
    assert page(database, turn.id, here["id"], descending=descending) == items.Page([], False)
