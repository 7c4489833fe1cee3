"""Rows of the `response` table as turns, and documents as text."""

from typing import Any

import orjson
from sqlalchemy import Row

from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.store.tables import RESPONSE

TURN_COLUMNS = [
    RESPONSE.c[name]
    for name in (
        "id",
        "owner",
        "status",
        "created_at",
        "request",
        "ignored",
        "attempt",
        "ending",
        "output_started",
        "dispatched_at",
        "started_at",
        "previous_response_id",
        "conversation_id",
        "background",
        "stream",
        "store",
        "waiter",
    )
]


def to_turn(row: Row[*tuple[Any, ...]]) -> Turn:
    """The turn of a row that begins with TURN_COLUMNS."""
    return Turn(
        id=row.id,
        owner=row.owner,
        status=Status(row.status),
        created_at=row.created_at,
        request=orjson.loads(row.request),
        ignored=tuple(orjson.loads(row.ignored)),
        attempt=row.attempt,
        ending=row.ending,
        output_started=row.output_started,
        dispatched_at=row.dispatched_at,
        started_at=row.started_at,
        previous_response_id=row.previous_response_id,
        conversation_id=row.conversation_id,
        background=row.background,
        stream=row.stream,
        store=row.store,
        waiter=row.waiter,
    )


def to_text(document: Any) -> str:
    """A JSON document as it is stored."""
    return orjson.dumps(document).decode()
