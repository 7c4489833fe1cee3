"""All that is stored of one owner, a few rows at a time. What is made meanwhile may be missing."""

from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Select, select

from shared.core.response_render import render_current
from shared.store.owner_filter import owned
from shared.store.rows import TURN_COLUMNS, to_turn
from shared.store.tables import (
    API_KEY,
    CONVERSATION,
    IDEMPOTENCY,
    ITEM,
    RESPONSE,
    WEBHOOK_DELIVERY,
    WEBHOOK_ENDPOINT,
)

_AT_ONCE = 20

Line = dict[str, Any]

# Neither the secrets of webhooks nor the digests of keys.
_ENDPOINT = ("id", "name", "url", "event_types", "hint", "created_at", "updated_at", "disabled_at")
_DELIVERY = ("endpoint_id", "response_id", "event_type", "created_at", "attempts", "next_at", "answer")
_KEY = ("prefix", "owner", "admin", "models", "created_at", "expires_at", "revoked_at")
_IDEMPOTENCY = ("key", "made_id", "created_at")


def everything(connection: Connection, owner: str) -> Iterator[Line]:
    """One object for each thing; its `type` says what it is."""
    yield from _responses(connection, owner)
    yield from _conversations(connection, owner)
    for row in _rows(connection, _of(WEBHOOK_ENDPOINT, _ENDPOINT, owner), WEBHOOK_ENDPOINT.c.position):
        yield {"type": "webhook_endpoint"} | _read(row, _ENDPOINT, "event_types")
    mine = select(WEBHOOK_ENDPOINT.c.id).where(owned(WEBHOOK_ENDPOINT, owner))
    deliveries = select(*(WEBHOOK_DELIVERY.c[name] for name in _DELIVERY)).where(
        WEBHOOK_DELIVERY.c.endpoint_id.in_(mine)
    )
    for row in _rows(connection, deliveries, WEBHOOK_DELIVERY.c.position):
        yield {"type": "webhook_delivery"} | _read(row, _DELIVERY)
    for row in _rows(connection, _of(IDEMPOTENCY, _IDEMPOTENCY, owner), IDEMPOTENCY.c.key):
        yield {"type": "idempotency_key"} | _read(row, _IDEMPOTENCY)
    for row in _rows(connection, _of(API_KEY, _KEY, owner), API_KEY.c.prefix):
        yield {"type": "api_key"} | _read(row, _KEY, "models")


def _responses(connection: Connection, owner: str) -> Iterator[Line]:
    """Each with its own input; its output is in the response itself."""
    statement = select(*TURN_COLUMNS, RESPONSE.c.body).where(owned(RESPONSE, owner))
    for row in _rows(connection, statement, RESPONSE.c.position):
        response = render_current(to_turn(row)) if row.body is None else orjson.loads(row.body)
        own = select(ITEM.c.data).where(ITEM.c.response_id == row.id, ITEM.c.direction == "input")
        given = connection.execute(own.order_by(ITEM.c.position)).scalars()
        yield {"type": "response", "response": response, "input": [orjson.loads(item) for item in given]}


def _conversations(connection: Connection, owner: str) -> Iterator[Line]:
    """Each followed by its items, in their order."""
    columns = ("id", "created_at", "metadata")
    for row in _rows(connection, _of(CONVERSATION, columns, owner), CONVERSATION.c.position):
        yield {"type": "conversation"} | _read(row, columns)
        items = select(ITEM.c.data).where(ITEM.c.conversation_id == row.id)
        for item in _rows(connection, items, ITEM.c.conversation_position):
            yield {"type": "conversation_item", "conversation_id": row.id, "item": orjson.loads(item.data)}


def _of(table: Any, columns: tuple[str, ...], owner: str) -> Select[Any]:
    return select(*(table.c[name] for name in columns)).where(owned(table, owner))


def _rows(connection: Connection, statement: Select[Any], place: ColumnElement[Any]) -> Iterator[Row[Any]]:
    """All rows in the order of `place`, never more than a few at once."""
    pages = statement.add_columns(place.label("place")).order_by(place).limit(_AT_ONCE)
    page = connection.execute(pages).all()
    while page:
        yield from page
        page = connection.execute(pages.where(place > page[-1].place)).all()


def _read(row: Row[Any], columns: tuple[str, ...], document: str | None = None) -> Line:
    """The row by its columns; `document` is one that holds JSON as text."""
    line = {name: row._mapping[name] for name in columns}
    if document and line[document] is not None:
        line[document] = orjson.loads(line[document])
    return line
