"""Responses for the requests of one owner. Another owner's, a deleted and an unknown id all read as None."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from shared.core.turn import Turn
from shared.core.turn_status import ACTIVE, TERMINAL, Status
from shared.errors import previous_response_not_found
from shared.store.database_clock import database_now
from shared.store.items import chain_is_whole, insert_items
from shared.store.owner_filter import owned_by, readable
from shared.store.rows import TURN_COLUMNS, to_text, to_turn
from shared.store.tables import RESPONSE
from shared.wire.items import Item


@dataclass(frozen=True, slots=True)
class Stored:
    """A turn and, once it has ended, its Response as JSON text."""

    turn: Turn
    body: str | None


def create(connection: Connection, owner: str, turn: Turn, items: Sequence[Item], *, waiter: str | None) -> bool:
    """Store a queued turn with its input items; whether it can be dispatched at once.

    A turn whose parent has not ended waits for it. Raises InvalidRequest when the parent, or a link before it, is gone.
    """
    waits_for = _parent_to_wait_for(connection, owner, turn.previous_response_id)
    connection.execute(
        insert(RESPONSE).values(
            id=turn.id,
            owner=owner,
            status=Status.QUEUED,
            attempt=0,
            observed=turn.stream,
            output_started=False,
            side_effects=False,
            waits_for=waits_for,
            dispatched_at=None if waits_for else database_now(),
            waiter=waiter,
            created_at=turn.created_at,
            background=turn.background,
            stream=turn.stream,
            store=turn.store,
            previous_response_id=turn.previous_response_id,
            service_tier=turn.request.get("service_tier", "auto"),
            request=to_text(turn.request),
            ignored=to_text(turn.ignored),
        )
    )
    insert_items(connection, owner, turn.id, "input", items)
    return waits_for is None


def _parent_to_wait_for(connection: Connection, owner: str, parent_id: str | None) -> str | None:
    if parent_id is None:
        return None
    # The lock keeps the parent from ending between this look and our INSERT: its end releases those who wait.
    statement = select(RESPONSE.c.status).where(RESPONSE.c.id == parent_id, readable(owner)).with_for_update(read=True)
    status = connection.execute(statement).scalar()
    if status is None or not chain_is_whole(connection, owner, parent_id):
        raise previous_response_not_found(parent_id)
    return parent_id if status in ACTIVE else None


def get(connection: Connection, owner: str, response_id: str) -> Stored | None:
    """A response the owner may read."""
    statement = select(*TURN_COLUMNS, RESPONSE.c.body).where(RESPONSE.c.id == response_id, readable(owner))
    row = connection.execute(statement).first()
    return Stored(to_turn(row), row.body) if row else None


def get_turn(connection: Connection, owner: str, response_id: str) -> Turn | None:
    """A turn, stored or not: for those who answer the request that made it."""
    row = connection.execute(select(*TURN_COLUMNS).where(RESPONSE.c.id == response_id, owned_by(owner))).first()
    return to_turn(row) if row else None


def get_body(connection: Connection, owner: str, response_id: str) -> str | None:
    """An ended response as JSON text, stored or not: for those who answer the request that made it."""
    statement = select(RESPONSE.c.body).where(RESPONSE.c.id == response_id, owned_by(owner))
    return connection.execute(statement).scalar()


def remove(connection: Connection, owner: str, response_id: str) -> bool:
    """Erase an ended response with its items and journal; False when there is none, or it has not ended."""
    ended = RESPONSE.c.status.in_(TERMINAL)
    result = connection.execute(delete(RESPONSE).where(RESPONSE.c.id == response_id, readable(owner), ended))
    return result.rowcount == 1


def observe(connection: Connection, response_id: str) -> None:
    """Remember that somebody reads this turn's events: from now on its output cannot be started anew."""
    connection.execute(
        update(RESPONSE)
        .where(RESPONSE.c.id == response_id, RESPONSE.c.status.in_(ACTIVE), ~RESPONSE.c.observed)
        .values(observed=True)
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """What a subscriber's look at a row tells: the status, and which attempt's events count."""

    status: Status
    work: int

    @property
    def terminal(self) -> bool:
        """Whether the turn has ended."""
        return self.status in TERMINAL


def look(connection: Connection, response_ids: Sequence[str]) -> dict[str, Sight]:
    """The state of many turns at once; missing ones were deleted."""
    columns = (RESPONSE.c.id, RESPONSE.c.status, RESPONSE.c.attempt, RESPONSE.c.ending)
    rows = connection.execute(select(*columns).where(RESPONSE.c.id.in_(response_ids)))
    return {row.id: Sight(Status(row.status), max(1, row.attempt - (row.ending is not None))) for row in rows}


def erase_due(connection: Connection) -> int:
    """Erase the ended turns that were not to be stored and whose time is up; how many there were."""
    return connection.execute(delete(RESPONSE).where(RESPONSE.c.erase_at < database_now())).rowcount
