"""Items of responses: each is stored once, by the turn that brought it; history is read along the chain."""

from collections.abc import Sequence
from typing import Literal

import orjson
from sqlalchemy import CTE, Connection, and_, bindparam, exists, insert, or_, select

from shared.core.prompt import CALLS, OUTPUTS
from shared.store.owner_filter import CALLER, owned
from shared.store.pages import Listing, Page, PageRequest
from shared.store.rows import to_text
from shared.store.tables import ITEM, RESPONSE
from shared.wire.items import Item

Direction = Literal["input", "output"]


def _ancestry() -> CTE:
    """The response asked for and all it goes on from, by their distance.

    The owner is carried along: where Postgres has no statistics yet, it takes an owner that is given for one with few
    rows, and reads all of them for each link.
    """
    columns = (RESPONSE.c.id, RESPONSE.c.owner, RESPONSE.c.previous_response_id)
    start = select(*columns, (RESPONSE.c.position * 0).label("distance"))
    chain = start.where(RESPONSE.c.id == bindparam("asked"), owned(RESPONSE, CALLER)).cte("chain", recursive=True)
    parents = select(*columns, chain.c.distance + 1).where(
        RESPONSE.c.id == chain.c.previous_response_id, owned(RESPONSE, chain.c.owner)
    )
    return chain.union_all(parents)


_CHAIN = _ancestry()
_HISTORY = (
    select(ITEM.c.data, _CHAIN.c.previous_response_id)
    .select_from(_CHAIN.outerjoin(ITEM, ITEM.c.response_id == _CHAIN.c.id))
    .order_by(_CHAIN.c.distance.desc(), ITEM.c.position)
)
_CALLS = (
    select(ITEM.c.data)
    .join(_CHAIN, ITEM.c.response_id == _CHAIN.c.id)
    .where(ITEM.c.type.in_(CALLS | OUTPUTS | {"item_reference"}))
)
_IS_WHOLE = select(exists().where(_CHAIN.c.previous_response_id.is_(None)))
_OWN = (
    select(ITEM.c.data)
    .join(RESPONSE, RESPONSE.c.id == ITEM.c.response_id)
    .where(RESPONSE.c.id == bindparam("asked"), owned(RESPONSE, CALLER))
    .order_by(ITEM.c.position)
)
_INSERT = insert(ITEM)


def insert_items(
    connection: Connection, owner: str, response_id: str, direction: Direction, items: Sequence[Item]
) -> None:
    """Add a turn's new items, in their order."""
    rows = [
        {
            "id": item["id"],
            "owner": owner,
            "response_id": response_id,
            "direction": direction,
            "type": item["type"],
            "data": to_text(item),
        }
        for item in items
    ]
    if rows:
        connection.execute(_INSERT, rows)


def history(connection: Connection, owner: str, response_id: str) -> list[Item] | None:
    """All items of the chain that ends with `response_id`, oldest first, in one query; None when a link is gone."""
    # Plain tuples and one parse: each item of a long history is worth microseconds.
    rows = connection.execute(_HISTORY, _asked(owner, response_id)).all()
    if all(parent is not None for _, parent in rows):
        return None
    items: list[Item] = orjson.loads("[" + ",".join([data for data, _ in rows if data is not None]) + "]")
    return items


def own(connection: Connection, owner: str, response_id: str) -> list[Item]:
    """The items of one response alone, in their order."""
    return [orjson.loads(data) for data in connection.execute(_OWN, _asked(owner, response_id)).scalars()]


def calls(connection: Connection, owner: str, response_id: str) -> list[Item]:
    """The calls, their outputs and the references, to whatever it be, in the chain that ends with `response_id`."""
    return [orjson.loads(data) for data in connection.execute(_CALLS, _asked(owner, response_id)).scalars()]


def chain_is_whole(connection: Connection, owner: str, response_id: str) -> bool:
    """Whether every response from `response_id` up to the first of its chain is still there."""
    return bool(connection.execute(_IS_WHOLE, _asked(owner, response_id)).scalar())


def input_page(connection: Connection, owner: str, response_id: str, request: PageRequest) -> Page[str]:
    """A page of a response's own input, as JSON texts."""
    belongs = and_(owned(ITEM, owner), ITEM.c.response_id == response_id, ITEM.c.direction == "input")
    listing = Listing((ITEM.c.data,), belongs, ITEM.c.id, ITEM.c.position, "ix_item_response_id_position")
    return listing.page(connection, request, lambda row: str(row.data))


def find(connection: Connection, owner: str, item_ids: Sequence[str]) -> dict[str, Item]:
    """The owner's items with these ids, the newest of each: what references point at."""
    if not item_ids:
        return {}
    in_store = or_(ITEM.c.conversation_id.is_not(None), RESPONSE.c.store)
    statement = (
        select(ITEM.c.id, ITEM.c.data)
        .outerjoin(RESPONSE, RESPONSE.c.id == ITEM.c.response_id)
        .where(owned(ITEM, owner), ITEM.c.id.in_(item_ids), ITEM.c.type != "item_reference", in_store)
        .order_by(ITEM.c.position)
    )
    return {row.id: orjson.loads(row.data) for row in connection.execute(statement)}


def _asked(owner: str, response_id: str) -> dict[str, str]:
    return {"caller": owner, "asked": response_id}
