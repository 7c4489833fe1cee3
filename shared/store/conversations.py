"""Conversations of one owner. Another owner's, a deleted and an unknown id all read as None or False."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from shared.store import filters
from shared.store.owner_filter import owned
from shared.store.pages import Listing, Page, PageRequest
from shared.store.tables import CONVERSATION, ITEM


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation's facts; `created_at` in whole seconds since the epoch."""

    id: str
    created_at: int
    metadata: dict[str, str]


_COLUMNS = (CONVERSATION.c.id, CONVERSATION.c.created_at, CONVERSATION.c.metadata)


def create(connection: Connection, owner: str, conversation: Conversation) -> None:
    """Store a new conversation."""
    values = {"id": conversation.id, "created_at": conversation.created_at, "metadata": conversation.metadata}
    connection.execute(insert(CONVERSATION).values(owner=owner, next_position=0, **values))


def get(connection: Connection, owner: str, conversation_id: str) -> Conversation | None:
    """A conversation."""
    row = connection.execute(select(*_COLUMNS).where(_is(owner, conversation_id))).first()
    return Conversation(*row) if row else None


def set_metadata(connection: Connection, owner: str, conversation_id: str, metadata: dict[str, str]) -> bool:
    """Replace the metadata; False when there is no such conversation."""
    changed = update(CONVERSATION).where(_is(owner, conversation_id)).values(metadata=metadata)
    return connection.execute(changed).rowcount == 1


def remove(connection: Connection, owner: str, conversation_id: str) -> bool:
    """Delete a conversation and the items that are in no response; False when there is no such conversation."""
    if not lock(connection, owner, conversation_id):
        return False
    in_response = and_(ITEM.c.conversation_id == conversation_id, ITEM.c.response_id.is_not(None))
    hold_items(connection, in_response)
    connection.execute(update(ITEM).where(in_response).values(conversation_id=None, conversation_position=None))
    connection.execute(delete(CONVERSATION).where(_is(owner, conversation_id)))
    return True


def lock(connection: Connection, owner: str, conversation_id: str) -> bool:
    """Hold the conversation until the transaction ends; False when there is no such conversation.

    Whoever appends to it, makes a turn in it or ends one holds it, and takes it before any response.
    """
    statement = select(CONVERSATION.c.position).where(_is(owner, conversation_id)).with_for_update()
    return connection.execute(statement).first() is not None


def hold_items(connection: Connection, chosen: ColumnElement[bool]) -> None:
    """Hold items in the order of their making: who deletes a conversation may meet who deletes its responses."""
    connection.execute(select(ITEM.c.position).where(chosen).order_by(ITEM.c.position).with_for_update())


def take_positions(connection: Connection, conversation_id: str, count: int) -> int:
    """The first of `count` new positions at the end of a conversation that is locked."""
    statement = (
        update(CONVERSATION)
        .where(CONVERSATION.c.id == conversation_id)
        .values(next_position=CONVERSATION.c.next_position + count)
        .returning(CONVERSATION.c.next_position)
    )
    last: int = connection.execute(statement).scalar_one()
    return last - count


def page(connection: Connection, owner: str, request: PageRequest, labels: dict[str, str]) -> Page[Conversation]:
    """The owner's conversations that carry all these metadata values."""
    mine, wanted = owned(CONVERSATION, owner), filters.of_conversations(owner, labels)
    index = "ix_conversation_owner_position"
    listing = Listing(_COLUMNS, mine, CONVERSATION.c.id, CONVERSATION.c.position, index, wanted)
    return listing.page(connection, request, lambda row: Conversation(*row))


def _is(owner: str, conversation_id: str) -> ColumnElement[bool]:
    return and_(CONVERSATION.c.id == conversation_id, owned(CONVERSATION, owner))
