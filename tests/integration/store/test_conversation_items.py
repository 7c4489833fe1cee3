"""Items in conversations: identity is (conversation, id), order is a position that only grows (C1, C2, C8, R3)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from sqlalchemy import select, text, update

from shared.core.turn_status import Status
from shared.errors import InvalidRequest
from shared.store import conversation_items, conversations, items, responses
from shared.store.engine import Database
from shared.store.pages import PageRequest
from shared.store.tables import ITEM
from shared.wire.items import Item
from tests.stored_conversations import (
    add,
    cancel,
    contents,
    converse,
    delete,
    end,
    page_of,
    places,
    take_out,
    until_somebody_waits_for_a_lock,
)
from tests.stored_turns import OWNER, answered, claim, claimed, create, everything, finish, row, said, texts

STRANGER = "mallory"
ADDERS = 5
ROUNDS = 6


def numbered(item_id: str, text: str) -> Item:
    return said(text) | {"id": item_id}


def get(database: Database, conversation_id: str, item_id: str, owner: str = OWNER) -> Item | None:
    with database.read() as connection:
        found = conversation_items.get(connection, owner, conversation_id, item_id)
    return orjson.loads(found) if found is not None else None


def test_one_id_in_many_conversations_is_as_many_items(database: Database) -> None:
    """C2: an id used elsewhere never touches another conversation, whoever owns it."""
    one, other = converse(database, [numbered("msg_1", "one")]), converse(database, [numbered("msg_1", "other")])
    foreign = converse(database, [numbered("msg_1", "foreign")], owner=STRANGER)
    assert take_out(database, one, "msg_1")
    assert get(database, one, "msg_1") is None
    assert get(database, other, "msg_1") == numbered("msg_1", "other")
    assert get(database, foreign, "msg_1", STRANGER) == numbered("msg_1", "foreign")
    assert delete(database, other)
    assert texts(contents(database, foreign, STRANGER)) == ["foreign"]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_add_is_all_or_nothing(database: Database, index: int) -> None:
    """C1, C2: a known id is refused by its place; it edits no history and leaves nothing behind."""
    conversation_id = converse(database, [numbered("msg_1", "first")])
    before = everything(database)
    batch = [said("a"), said("b")]
    batch.insert(index, numbered("msg_1", "edited"))
    with pytest.raises(InvalidRequest) as refused:
        add(database, conversation_id, batch)
    assert (refused.value.param, refused.value.code) == (f"items[{index}].id", "duplicate_item_id")
    assert everything(database) == before


def test_an_id_may_come_back_after_its_item_has_left(database: Database) -> None:
    conversation_id = converse(database, [numbered("msg_1", "first"), said("second")])
    assert take_out(database, conversation_id, "msg_1")
    assert not take_out(database, conversation_id, "msg_1")
    add(database, conversation_id, [numbered("msg_1", "again")])
    assert texts(contents(database, conversation_id)) == ["second", "again"]


def test_a_position_is_never_used_again(database: Database) -> None:
    """R3: a cursor stays where it was when items go."""
    conversation_id = converse(database, [said("a"), said("b")])
    (_, (last, item_id)) = places(database, conversation_id)
    take_out(database, conversation_id, item_id)
    add(database, conversation_id, [said("c")])
    assert places(database, conversation_id)[-1][0] > last


def test_adders_at_once_each_add_their_batch_in_one_piece(database: Database) -> None:
    """R3: positions only grow, none is given twice, batches do not mix."""
    conversation_id = converse(database)
    start = threading.Barrier(ADDERS)

    def add_batches(adder: int) -> None:
        start.wait(10)
        for number in range(ROUNDS):
            add(database, conversation_id, [numbered(f"{adder}-{number}-{part}", "x") for part in range(3)])

    with ThreadPoolExecutor(ADDERS) as pool:
        list(pool.map(add_batches, range(ADDERS)))
    found = places(database, conversation_id)
    assert [position for position, _ in found] == list(range(ADDERS * ROUNDS * 3))
    batches = [tuple(item_id for _, item_id in found[at : at + 3]) for at in range(0, len(found), 3)]
    assert all(len({item_id[:-1] for item_id in batch}) == 1 for batch in batches)
    assert all(batch == tuple(sorted(batch)) for batch in batches)
    for adder in range(ADDERS):
        mine = [batch[0] for batch in batches if batch[0].startswith(f"{adder}-")]
        assert mine == [f"{adder}-{number}-0" for number in range(ROUNDS)]


def test_the_same_id_added_at_once_is_added_once(database: Database) -> None:
    """C2."""
    conversation_id = converse(database)
    start = threading.Barrier(ADDERS)

    def add_one(adder: int) -> bool:
        start.wait(10)
        try:
            add(database, conversation_id, [said("company"), numbered("msg_1", str(adder))])
        except InvalidRequest:
            return False
        return True

    with ThreadPoolExecutor(ADDERS) as pool:
        assert sorted(pool.map(add_one, range(ADDERS))) == [False] * (ADDERS - 1) + [True]
    assert len(places(database, conversation_id)) == 2


def test_items_read_back_unchanged_one_by_one_and_in_pages(database: Database) -> None:
    """C5: unknown fields, their order, every script."""
    odd: Item = said("\u2028 \U0001f600 \\ \" ' \x7f é") | {"z": [1e308, -0.0, 2**53, None, True], "a": {"d": [[]]}}
    conversation_id = converse(database, [odd])
    found = get(database, conversation_id, odd["id"])
    assert found == odd
    assert list(found) == list(odd)
    assert [orjson.loads(text) for text in page_of(database, conversation_id, PageRequest()).entries] == [odd]


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.INCOMPLETE, Status.FAILED])
@pytest.mark.parametrize("store", [True, False])
def test_a_conversation_remembers_what_came_to_an_answer(database: Database, status: Status, store: bool) -> None:
    """Input and output are appended by the terminal transaction of a completed or incomplete turn that is stored."""
    conversation_id = converse(database, [said("before")])
    turn = claimed(database, [said("q1"), said("q2")], conversation_id=conversation_id, store=store)
    assert texts(contents(database, conversation_id)) == ["before"]
    end(database, turn, status, [said("a1", "assistant"), said("a2", "assistant")])
    remembered = ["q1", "q2", "a1", "a2"] if store and status is not Status.FAILED else []
    assert texts(contents(database, conversation_id)) == ["before", *remembered]


def test_a_conversation_forgets_cancelled_turns(database: Database) -> None:
    """Queued or running; their items stay in their responses."""
    conversation_id = converse(database)
    running = claimed(database, [said("q")], conversation_id=conversation_id)
    queued = create(database, [said("q")], conversation_id=conversation_id)
    for turn in (queued, running):
        assert cancel(database, turn) is not None
        with database.read() as connection:
            assert texts(items.own(connection, OWNER, turn.id)) == ["q"]
    assert contents(database, conversation_id) == []


def test_an_end_that_is_fenced_off_appends_nothing(database: Database) -> None:
    conversation_id = converse(database)
    lost = claimed(database, [said("q")], conversation_id=conversation_id)
    assert cancel(database, lost) == []
    assert not finish(database, lost, [said("late", "assistant")])
    assert contents(database, conversation_id) == []


def test_what_is_added_while_a_turn_runs_comes_before_its_items(database: Database) -> None:
    """C8: the turn's own are appended at its end."""
    conversation_id = converse(database)
    turn = claimed(database, [said("q")], conversation_id=conversation_id)
    add(database, conversation_id, [said("meanwhile")])
    finish(database, turn, [said("a", "assistant")])
    assert texts(contents(database, conversation_id)) == ["meanwhile", "q", "a"]


def test_an_item_that_came_into_the_conversation_meanwhile_stays_as_it_is(database: Database) -> None:
    """C2: an end edits no history."""
    conversation_id = converse(database)
    turn = claimed(database, [numbered("msg_1", "mine")], conversation_id=conversation_id)
    add(database, conversation_id, [numbered("msg_1", "theirs")])
    finish(database, turn, [said("a", "assistant")])
    assert texts(contents(database, conversation_id)) == ["theirs", "a"]
    with database.read() as connection:
        assert texts(items.own(connection, OWNER, turn.id)) == ["mine", "a"]


def test_an_item_taken_out_of_a_conversation_stays_in_its_response(database: Database) -> None:
    conversation_id = converse(database)
    turn = answered(database, "q", "a", conversation_id=conversation_id)
    for item in contents(database, conversation_id):
        assert take_out(database, conversation_id, item["id"])
    assert contents(database, conversation_id) == []
    with database.read() as connection:
        assert texts(items.own(connection, OWNER, turn.id)) == ["q", "a"]
        assert len(items.input_page(connection, OWNER, turn.id, PageRequest()).entries) == 1


def test_a_known_id_is_refused_by_its_place_but_a_reference_to_it_is_not(database: Database) -> None:
    """C2: references may point at items of the conversation itself."""
    conversation_id = converse(database, [numbered("msg_1", "one"), numbered("msg_2", "two")])
    given = [{"type": "item_reference", "id": "msg_1"}, said("new"), numbered("msg_2", "again")]
    with database.read() as connection:
        conversation_items.refuse_known(connection, conversation_id, given[:2], "input")
        with pytest.raises(InvalidRequest) as refused:
            conversation_items.refuse_known(connection, conversation_id, given, "input")
    assert refused.value.param == "input[2].id"


def test_what_a_check_reads_of_a_conversation_is_its_tool_items(database: Database) -> None:
    call = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}
    thought = {"id": "rs_1", "type": "reasoning", "summary": []}
    search = {"id": "ws_1", "type": "web_search_call"}
    conversation_id = converse(database, [said("q"), call, thought, search, search | {"id": "ws_2"}])
    with database.read() as connection:
        assert conversation_items.tool_types(connection, conversation_id) == {"function_call", "web_search_call"}
        assert conversation_items.calls(connection, conversation_id) == [call]


def test_deleting_a_conversation_and_its_responses_at_once_locks_nobody_out(database: Database) -> None:
    """Each takes items out of one place and leaves them in the other, until they are in neither."""
    with ThreadPoolExecutor(2) as pool:
        for number in range(ROUNDS):
            # Ids fall while positions rise, so that two indexes list the items in opposite orders.
            mine = [numbered(f"msg_{9 - part}-{number}", "gone") for part in range(8)]
            conversation_id = converse(database)
            turn = claimed(database, mine, conversation_id=conversation_id)
            finish(database, turn)
            start = threading.Barrier(2)
            _delete_both(database, pool, start, conversation_id, turn.id)
            assert "gone" not in str(everything(database))


@pytest.mark.parametrize("which", ["conversation", "response"])
@pytest.mark.parametrize("held", [0, 1, 2, 3])
def test_who_deletes_takes_the_items_in_the_order_of_their_making(
    postgres_database_url: str, which: str, held: int
) -> None:
    """However they are found: then two who delete the same items cannot wait for each other."""
    database = Database(postgres_database_url + "&options=-c enable_indexscan=off -c enable_bitmapscan=off")
    conversation_id = converse(database)
    made = [f"msg_{number}" for number in (2, 1, 4, 3)]
    turn = claimed(database, [numbered(item_id, "x") for item_id in made], conversation_id=conversation_id)
    finish(database, turn)
    _lay_anew(database, made[::-1])

    def remove() -> bool:
        with database.write() as connection:
            if which == "conversation":
                return conversations.remove(connection, OWNER, conversation_id)
            return responses.remove(connection, OWNER, turn.id)

    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            connection.execute(select(ITEM.c.id).where(ITEM.c.id == made[held]).with_for_update())
            removing = pool.submit(remove)
            until_somebody_waits_for_a_lock(database)
            with database.write() as other:
                free = set(other.execute(select(ITEM.c.id).with_for_update(skip_locked=True)).scalars())
            assert free == set(made[held + 1 :])
        assert removing.result(30)
    database.close()


def _lay_anew(database: Database, item_ids: list[str]) -> None:
    """Let the rows lie in the table in this order, which is not that of their making."""
    with database.write() as connection:
        for item_id in item_ids:
            connection.execute(update(ITEM).where(ITEM.c.id == item_id).values(owner=ITEM.c.owner))
        assert connection.execute(select(ITEM.c.id).order_by(text("ctid"))).scalars().all() == item_ids


def _delete_both(
    database: Database, pool: ThreadPoolExecutor, start: threading.Barrier, conversation_id: str, response_id: str
) -> None:
    def delete_conversation() -> bool:
        start.wait(10)
        with database.write() as connection:
            return conversations.remove(connection, OWNER, conversation_id)

    def delete_response() -> bool:
        start.wait(10)
        with database.write() as connection:
            return responses.remove(connection, OWNER, response_id)

    done = [pool.submit(delete_conversation), pool.submit(delete_response)]
    assert [future.result(30) for future in done] == [True, True]


def test_many_items_of_one_turn_are_appended_in_their_order(database: Database) -> None:
    conversation_id = converse(database)
    turn = create(database, [said(str(number)) for number in range(500)], conversation_id=conversation_id)
    held = claim(database, turn.id)
    assert held is not None
    finish(database, held, [said("a", "assistant")])
    assert texts(contents(database, conversation_id)) == [*map(str, range(500)), "a"]
    assert row(database, turn.id)["status"] == "completed"
