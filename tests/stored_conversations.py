"""Conversations for tests of the store: made, filled and read in one line each, and turns ended in any way."""

from collections.abc import Sequence

from sqlalchemy import select

from shared import ids
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.store import attempts, conversation_items, conversations, shares
from shared.store.conversations import Conversation
from shared.store.engine import Database
from shared.store.pages import Page, PageRequest
from shared.store.tables import ITEM
from shared.wire.items import Item
from tests.stored_turns import NOW, OWNER, SHARE, body_of, row

DEADLINE_SECONDS = 60.0


def converse(database: Database, items: Sequence[Item] = (), *, owner: str = OWNER, **metadata: str) -> str:
    """The id of a new conversation that has these items."""
    conversation = Conversation(ids.new_conversation_id(), int(NOW), metadata)
    with database.write() as connection:
        conversations.create(connection, owner, conversation)
        conversation_items.add(connection, owner, conversation.id, items)
    return conversation.id


def add(database: Database, conversation_id: str, items: Sequence[Item], owner: str = OWNER) -> None:
    """Append items, as the API does."""
    with database.write() as connection:
        assert conversations.lock(connection, owner, conversation_id)
        conversation_items.add(connection, owner, conversation_id, items)


def contents(database: Database, conversation_id: str, owner: str = OWNER) -> list[Item]:
    """All that a conversation's next turn would be told, in order."""
    with database.read() as connection:
        return conversation_items.history(connection, owner, conversation_id)


def page_of(database: Database, conversation_id: str, request: PageRequest, owner: str = OWNER) -> Page[str]:
    """A page of its items."""
    with database.read() as connection:
        return conversation_items.page(connection, owner, conversation_id, request)


def places(database: Database, conversation_id: str) -> list[tuple[int, str]]:
    """Position and id of its items, in order."""
    columns = (ITEM.c.conversation_position, ITEM.c.id)
    statement = select(*columns).where(ITEM.c.conversation_id == conversation_id).order_by(columns[0])
    with database.read() as connection:
        return [(found[0], found[1]) for found in connection.execute(statement)]


def take_out(database: Database, conversation_id: str, item_id: str, owner: str = OWNER) -> bool:
    """Delete an item from a conversation."""
    with database.write() as connection:
        return conversation_items.remove(connection, owner, conversation_id, item_id)


def delete(database: Database, conversation_id: str, owner: str = OWNER) -> bool:
    """Delete a conversation."""
    with database.write() as connection:
        return conversations.remove(connection, owner, conversation_id)


def end(
    database: Database, turn: Turn, status: Status, output: Sequence[Item] = (), share: int = SHARE
) -> list[str] | None:
    """End a claimed turn as its worker does; the ids of the turns sent for it, None when the turn was lost."""
    outcome = Outcome(status, NOW)
    with database.write() as connection:
        body = body_of(turn, output, outcome)
        if not attempts.finish(connection, (turn.id, turn.attempt), turn, body, outcome, None):
            return None
        return [released.id for released in shares.pass_on(connection, turn, share)]


def cancel(database: Database, turn: Turn, share: int = SHARE) -> list[str] | None:
    """End a turn from outside, queued or running; the ids of the turns sent for it, None when it has ended already."""
    outcome = Outcome(Status.CANCELLED, NOW)
    with database.write() as connection:
        if attempts.end_queued(connection, turn, body_of(turn, (), outcome), outcome, None):
            return [released.id for released in shares.pass_on(connection, turn, share)]
    with database.write() as connection:
        taken = attempts.take_over(connection, turn.id, "cancelled", lease_seconds=30)
    if taken is None:
        return None
    with database.write() as connection:
        fence = (taken.id, taken.attempt)
        assert attempts.finish_ending(connection, fence, taken, body_of(taken, (), outcome), outcome, None)
        return [released.id for released in shares.pass_on(connection, turn, share)]


def waits_for(database: Database, turn: Turn) -> str | None:
    """The id of the turn that must end first."""
    found: str | None = row(database, turn.id)["waits_for"]
    return found


def until_somebody_waits_for_a_lock(database: Database) -> None:
    """Return when another connection of this Postgres database stands at a lock."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with database.read() as connection:
        while not connection.exec_driver_sql(statement).scalar():
            connection.exec_driver_sql("SELECT pg_sleep(0.002)")
