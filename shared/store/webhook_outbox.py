"""Webhooks to be sent: written with the end of a turn, and due until they were taken, or 72 hours have passed.

A row is claimed by moving its `next_at`: whoever dies while sending leaves it due again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.core.webhooks import GIVEN_UP_SECONDS
from shared.store.database_clock import database_now
from shared.store.owner_filter import CALLER, owned
from shared.store.tables import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from shared.store.webhooks import COLUMNS, Endpoint, to_endpoint

KEPT_SECONDS = 7 * 86_400
"""How long what became of a webhook is kept."""

_TABLE = WEBHOOK_DELIVERY


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint. `attempts`: how often it was sent, this time included."""

    position: int
    endpoint: Endpoint
    response_id: str
    event_type: str
    created_at: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a webhook so far: `answer` is the last status, or a word for none; `next_at` None: it is over."""

    response_id: str
    event_type: str
    created_at: float
    attempts: int
    next_at: float | None
    answer: str | None


_ADD = insert(_TABLE).from_select(
    ["response_id", "endpoint_id", "event_type", "created_at", "attempts", "next_at"],
    select(
        bindparam("turn", type_=Text),
        WEBHOOK_ENDPOINT.c.id,
        bindparam("event_type", type_=Text),
        database_now(),
        literal(0),
        database_now(),
    ).where(
        owned(WEBHOOK_ENDPOINT, CALLER),
        WEBHOOK_ENDPOINT.c.disabled_at.is_(None),
        WEBHOOK_ENDPOINT.c.event_types.like(bindparam("quoted", type_=Text)),
    ),
)
_ANY_DUE = select(exists().where(_TABLE.c.next_at <= database_now()))


def add(connection: Connection, turn: Turn, status: Status) -> None:
    """Have those endpoints of the owner told of this end that want to know."""
    event_type = f"response.{status}"
    told = {"turn": turn.id, "caller": turn.owner, "event_type": event_type, "quoted": f'%"{event_type}"%'}
    connection.execute(_ADD, told)


def any_due(connection: Connection) -> bool:
    """Whether there is anything to send."""
    return bool(connection.execute(_ANY_DUE).scalar_one())


def claim(
    connection: Connection, *, limit: int, per_endpoint: int, busy: Collection[str], lease_seconds: float
) -> list[Delivery]:
    """Take what is due longest; the same again after `lease_seconds`, unless it is told what came of it.

    At most so many for an endpoint, and none for those that are `busy`: a slow one holds up no other.
    """
    claimed = (
        update(_TABLE)
        .where(_TABLE.c.position.in_(_first_due(per_endpoint, busy, limit)))
        .values(attempts=_TABLE.c.attempts + 1, next_at=database_now() + lease_seconds)
        .returning(*_TABLE.c)
    )
    rows = connection.execute(claimed).all()
    endpoints = _endpoints(connection, {row.endpoint_id for row in rows})
    return [
        Delivery(
            row.position,
            endpoints[row.endpoint_id],
            row.response_id,
            row.event_type,
            int(row.created_at),
            row.attempts,
        )
        for row in rows
        if row.endpoint_id in endpoints
    ]


def done(connection: Connection, delivery: Delivery, answer: str) -> None:
    """It was taken."""
    _note(connection, delivery, answer=answer, next_at=None)


def postpone(connection: Connection, delivery: Delivery, answer: str, seconds: float) -> None:
    """It was not taken; try again in so many seconds."""
    _note(connection, delivery, answer=answer, next_at=database_now() + seconds)


def disable(connection: Connection, delivery: Delivery, answer: str) -> None:
    """The receiver wants no more: nothing is sent to this endpoint until its owner changes it."""
    gone = WEBHOOK_ENDPOINT.c.id == delivery.endpoint.id
    connection.execute(update(WEBHOOK_ENDPOINT).where(gone).values(disabled_at=database_now()))
    _note(connection, delivery, answer=answer, next_at=None)
    waiting = and_(_TABLE.c.endpoint_id == delivery.endpoint.id, _TABLE.c.next_at.is_not(None))
    connection.execute(update(_TABLE).where(waiting).values(next_at=None))


def give_up(connection: Connection) -> int:
    """End what nobody has taken for 72 hours; how many."""
    old = and_(_TABLE.c.next_at <= database_now(), _TABLE.c.created_at < database_now() - GIVEN_UP_SECONDS)
    free = select(_TABLE.c.position).where(old).with_for_update(skip_locked=True)
    return connection.execute(update(_TABLE).where(_TABLE.c.position.in_(free)).values(next_at=None)).rowcount


def forget(connection: Connection) -> None:
    """Erase what was over long ago, and what was left for endpoints that are gone."""
    over = and_(_TABLE.c.next_at.is_(None), _TABLE.c.created_at < database_now() - KEPT_SECONDS)
    orphaned = ~exists().where(WEBHOOK_ENDPOINT.c.id == _TABLE.c.endpoint_id)
    connection.execute(delete(_TABLE).where(or_(over, orphaned)))


def sent(connection: Connection, owner: str, endpoint_id: str, limit: int) -> list[Sent]:
    """What was last to be sent to an endpoint of this owner, newest first."""
    columns = [_TABLE.c[name] for name in Sent.__dataclass_fields__]
    mine = and_(WEBHOOK_ENDPOINT.c.id == endpoint_id, owned(WEBHOOK_ENDPOINT, owner))
    statement = select(*columns).join(WEBHOOK_ENDPOINT, WEBHOOK_ENDPOINT.c.id == _TABLE.c.endpoint_id).where(mine)
    rows = connection.execute(statement.order_by(_TABLE.c.position.desc()).limit(limit))
    return [Sent(*row) for row in rows]


def _first_due(per_endpoint: int, busy: Collection[str], limit: int) -> Any:
    rank = func.row_number().over(partition_by=_TABLE.c.endpoint_id, order_by=_TABLE.c.next_at).label("rank")
    due = and_(_due(), _TABLE.c.endpoint_id.not_in(busy))
    ranked = select(_TABLE.c.position, rank).where(due).subquery()
    first = select(ranked.c.position).where(ranked.c.rank <= per_endpoint)
    chosen = select(_TABLE.c.position).where(_TABLE.c.position.in_(first), _due())
    return chosen.order_by(_TABLE.c.next_at).limit(limit).with_for_update(of=_TABLE, skip_locked=True)


def _due() -> ColumnElement[bool]:
    enabled = and_(WEBHOOK_ENDPOINT.c.id == _TABLE.c.endpoint_id, WEBHOOK_ENDPOINT.c.disabled_at.is_(None))
    return and_(_TABLE.c.next_at <= database_now(), exists().where(enabled))


def _endpoints(connection: Connection, ids: Collection[str]) -> dict[str, Endpoint]:
    rows = connection.execute(select(*COLUMNS).where(WEBHOOK_ENDPOINT.c.id.in_(ids))) if ids else ()
    return {row.id: to_endpoint(row) for row in rows}


def _note(connection: Connection, delivery: Delivery, **values: Any) -> None:
    # One that was ended meanwhile stays so.
    mine = and_(_TABLE.c.position == delivery.position, _TABLE.c.next_at.is_not(None))
    connection.execute(update(_TABLE).where(mine).values(**values))
