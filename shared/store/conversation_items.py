"""Items in conversations: identity is (conversation, id), order is `conversation_position`."""

from collections.abc import Sequence

import orjson
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, insert, select, update

from shared.core.prompt import CALLS, OUTPUTS
from shared.errors import InvalidRequest
from shared.store.conversations import take_positions
from shared.store.owner_filter import owned
from shared.store.pages import Listing, Page, PageRequest
from shared.store.rows import to_text
from shared.store.tables import CONVERSATION, IS_TOOL_ITEM, ITEM
from shared.wire.items import Item


def add(connection: Connection, owner: str, conversation_id: str, items: Sequence[Item]) -> None:
    """Append all or none to a conversation that is locked; raises InvalidRequest for an id that is already in it."""
    refuse_known(connection, conversation_id, items, "items")
    first = take_positions(connection, conversation_id, len(items))
    rows = [
        {
            "id": item["id"],
            "owner": owner,
            "conversation_id": conversation_id,
            "conversation_position": first + offset,
            "type": item["type"],
            "data": to_text(item),
        }
        for offset, item in enumerate(items)
    ]
    if rows:
        connection.execute(insert(ITEM), rows)


def append_turn(connection: Connection, conversation_id: str, response_id: str) -> None:
    """Put a turn's input and output at the end of its conversation, which is locked. Items already in it stay put."""
    mine = select(ITEM.c.position, ITEM.c.id).where(ITEM.c.response_id == response_id).order_by(ITEM.c.position)
    rows = connection.execute(mine).all()
    present = ids_in(connection, conversation_id, [row.id for row in rows])
    fresh = [row.position for row in rows if row.id not in present]
    if not fresh:
        return
    first = take_positions(connection, conversation_id, len(fresh))
    placed = update(ITEM).where(ITEM.c.position == bindparam("item")).values(conversation_position=bindparam("place"))
    places = [{"item": position, "place": first + offset} for offset, position in enumerate(fresh)]
    connection.execute(placed.values(conversation_id=conversation_id), places)


def refuse_known(connection: Connection, conversation_id: str, items: Sequence[Item], name: str) -> None:
    """Raise InvalidRequest, naming its place in field `name`, for an item whose id the conversation has already.

    References may point at items of the conversation itself.
    """
    present = ids_in(connection, conversation_id, [item["id"] for item in items])
    for index, item in enumerate(items):
        if item["id"] in present and item["type"] != "item_reference":
            where = f"{name}[{index}].id"
            raise InvalidRequest(f"'{where}' is already in this conversation.", where, "duplicate_item_id")


def ids_in(connection: Connection, conversation_id: str, item_ids: Sequence[str]) -> set[str]:
    """Which of these ids the conversation has."""
    if not item_ids:
        return set()
    statement = select(ITEM.c.id).where(ITEM.c.conversation_id == conversation_id, ITEM.c.id.in_(item_ids))
    return set(connection.execute(statement).scalars())


def get(connection: Connection, owner: str, conversation_id: str, item_id: str) -> str | None:
    """One item as JSON text."""
    return connection.execute(select(ITEM.c.data).where(_is(owner, conversation_id, item_id))).scalar()


def remove(connection: Connection, owner: str, conversation_id: str, item_id: str) -> bool:
    """Take an item out of the conversation; it stays in its response, if it has one. False when it is not there."""
    one = _is(owner, conversation_id, item_id)
    erased = connection.execute(delete(ITEM).where(one, ITEM.c.response_id.is_(None)))
    left = connection.execute(update(ITEM).where(one).values(conversation_id=None, conversation_position=None))
    return erased.rowcount + left.rowcount == 1


def page(connection: Connection, owner: str, conversation_id: str, request: PageRequest) -> Page[str]:
    """A conversation's items as JSON texts."""
    belongs = and_(owned(ITEM, owner), ITEM.c.conversation_id == conversation_id)
    index = "ix_item_conversation_id_conversation_position"
    listing = Listing((ITEM.c.data,), belongs, ITEM.c.id, ITEM.c.conversation_position, index)
    return listing.page(connection, request, lambda row: str(row.data))


def tool_types(connection: Connection, conversation_id: str) -> set[str]:
    """The types of items that a conversation has besides messages and reasoning."""
    statement = select(ITEM.c.type).distinct().where(ITEM.c.conversation_id == conversation_id, IS_TOOL_ITEM)
    return set(connection.execute(statement).scalars())


def calls(connection: Connection, conversation_id: str) -> list[Item]:
    """A conversation's calls and their outputs, in their order."""
    statement = (
        select(ITEM.c.data)
        .where(ITEM.c.conversation_id == conversation_id, IS_TOOL_ITEM, ITEM.c.type.in_(CALLS | OUTPUTS))
        .order_by(ITEM.c.conversation_position)
    )
    return [orjson.loads(data) for data in connection.execute(statement).scalars()]


def history(connection: Connection, owner: str, conversation_id: str) -> list[Item]:
    """All items of a conversation, oldest first."""
    statement = (
        select(ITEM.c.data)
        .join(CONVERSATION, CONVERSATION.c.id == ITEM.c.conversation_id)
        .where(CONVERSATION.c.id == conversation_id, owned(CONVERSATION, owner))
        .order_by(ITEM.c.conversation_position)
    )
    items: list[Item] = orjson.loads("[" + ",".join(connection.execute(statement).scalars()) + "]")
    return items


def _is(owner: str, conversation_id: str, item_id: str) -> ColumnElement[bool]:
    return and_(owned(ITEM, owner), ITEM.c.conversation_id == conversation_id, ITEM.c.id == item_id)
