"""Items of responses: each is stored once, by the turn that brought it; history is read along the chain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import orjson
from sqlalchemy import CTE, Connection, exists, insert, select

from shared.errors import InvalidRequest
from shared.store.owner_filter import owned_by
from shared.store.rows import to_text
from shared.store.tables import ITEM, RESPONSE
from shared.wire.items import Item

Direction = Literal["input", "output"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing: the items' JSON texts."""

    items: list[str]
    has_more: bool


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
        connection.execute(insert(ITEM), rows)


def history(connection: Connection, owner: str, response_id: str) -> list[Item] | None:
    """All items of the chain that ends with `response_id`, oldest first, in one query; None when a link is gone."""
    chain = _ancestry(owner, response_id)
    statement = (
        select(ITEM.c.data, chain.c.previous_response_id)
        .select_from(chain.outerjoin(ITEM, ITEM.c.response_id == chain.c.id))
        .order_by(chain.c.distance.desc(), ITEM.c.position)
    )
    rows = connection.execute(statement).all()
    if not any(row.previous_response_id is None for row in rows):
        return None
    items: list[Item] = orjson.loads("[" + ",".join(row.data for row in rows if row.data is not None) + "]")
    return items


def calls(connection: Connection, owner: str, response_id: str) -> list[Item]:
    """The function calls and their outputs in the chain that ends with `response_id`."""
    chain = _ancestry(owner, response_id)
    kinds = ITEM.c.type.in_(("function_call", "function_call_output"))
    rows = connection.execute(select(ITEM.c.data).join(chain, ITEM.c.response_id == chain.c.id).where(kinds))
    return [orjson.loads(data) for data in rows.scalars()]


def chain_is_whole(connection: Connection, owner: str, response_id: str) -> bool:
    """Whether every response from `response_id` up to the first of its chain is still there."""
    chain = _ancestry(owner, response_id)
    return bool(connection.execute(select(exists().where(chain.c.previous_response_id.is_(None)))).scalar())


def input_page(
    connection: Connection, owner: str, response_id: str, *, after: str | None, limit: int, descending: bool
) -> Page:
    """A page of a response's own input, by keyset; raises InvalidRequest for a cursor that is not in the list."""
    listed = (ITEM.c.owner == owner, ITEM.c.response_id == response_id, ITEM.c.direction == "input")
    statement = select(ITEM.c.data).where(*listed)
    if after is not None:
        cursor = connection.execute(select(ITEM.c.position).where(*listed, ITEM.c.id == after)).scalar()
        if cursor is None:
            raise InvalidRequest("'after' is not the id of an item in this list.", "after", "invalid_value")
        statement = statement.where(ITEM.c.position < cursor if descending else ITEM.c.position > cursor)
    order = ITEM.c.position.desc() if descending else ITEM.c.position.asc()
    found = list(connection.execute(statement.order_by(order).limit(limit + 1)).scalars())
    return Page(found[:limit], len(found) > limit)


def _ancestry(owner: str, response_id: str) -> CTE:
    columns = (RESPONSE.c.id, RESPONSE.c.previous_response_id)
    start = select(*columns, (RESPONSE.c.position * 0).label("distance"))
    chain = start.where(RESPONSE.c.id == response_id, owned_by(owner)).cte("chain", recursive=True)
    parents = select(*columns, chain.c.distance + 1).where(
        RESPONSE.c.id == chain.c.previous_response_id, owned_by(owner)
    )
    return chain.union_all(parents)
