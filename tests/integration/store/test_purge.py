"""Retention takes old responses from the ends of their chains, and nothing that somebody still goes on from (Q9)."""

from concurrent.futures import ThreadPoolExecutor

from shared.core.turn import Turn
from shared.store import creation, items, responses
from shared.store.database_clock import database_now
from shared.store.engine import Database
from tests.stored_conversations import contents, converse, delete, take_out
from tests.stored_turns import OWNER, answered, change, claimed, create, everything, new_turn, purge_once, texts


def purge(database: Database, older_than_seconds: float = 50) -> int:
    with database.write() as connection:
        return purge_once(connection, older_than_seconds=older_than_seconds, limit=100)


def purge_all(database: Database) -> int:
    total = 0
    while purged := purge(database):
        total += purged
    return total


def left(database: Database, *turns: Turn) -> list[Turn]:
    with database.read() as connection:
        seen = responses.look(connection, [turn.id for turn in turns])
    return [turn for turn in turns if turn.id in seen]


def test_a_conversation_keeps_its_items_when_its_responses_go(database: Database) -> None:
    """Items of a living conversation are not purged."""
    conversation_id = converse(database)
    old = answered(database, "q1", "a1", conversation_id=conversation_id)
    answered(database, "q2", "a2", conversation_id=conversation_id)
    alone = answered(database, "alone", "a")
    assert purge_all(database) == 3
    assert left(database, old, alone) == []
    assert texts(contents(database, conversation_id)) == ["q1", "a1", "q2", "a2"]
    assert "alone" not in str(everything(database))
    for item in contents(database, conversation_id)[:2]:
        assert take_out(database, conversation_id, item["id"])
    assert "q1" not in str(everything(database))
    assert delete(database, conversation_id)
    assert "q2" not in str(everything(database))


def test_a_chain_is_as_young_as_its_youngest(database: Database) -> None:
    root = answered(database, "q", "a")
    middle = answered(database, "q", "a", previous_response_id=root.id)
    branch = answered(database, "q", "a", previous_response_id=root.id)
    young = answered(database, "q", "a", previous_response_id=middle.id)
    change(database, young.id, ended_at=database_now())
    assert purge_all(database) == 1
    assert left(database, root, middle, branch, young) == [root, middle, young]
    with database.read() as connection:
        assert items.chain_is_whole(connection, OWNER, young.id)
    change(database, young.id, ended_at=1.0)
    assert purge_all(database) == 3


def test_turns_that_run_or_wait_are_never_purged_nor_what_they_go_on_from(database: Database) -> None:
    conversation_id = converse(database)
    parent = answered(database, "q", "a")
    turns = [
        claimed(database, previous_response_id=parent.id),
        claimed(database, conversation_id=conversation_id),
        create(database, conversation_id=conversation_id),
    ]
    assert purge_all(database) == 0
    assert left(database, parent, *turns) == [parent, *turns]


def test_a_parent_that_a_follow_up_is_being_made_of_is_passed_over(postgres_database_url: str) -> None:
    """The race, stepped: the new turn holds its parent. The purge neither takes that nor waits for it."""
    database = Database(postgres_database_url)
    parent, other = answered(database, "q", "a"), answered(database, "q", "a")
    child = new_turn(previous_response_id=parent.id)
    with ThreadPoolExecutor(1) as pool, database.write() as connection:
        assert creation.create(connection, OWNER, child, []) is None
        assert pool.submit(purge, database).result(30) == 1
    assert left(database, parent, other, child) == [parent, child]
    database.close()
