"""Webhook endpoints of one owner. Another owner's, a deleted and an unknown id all read as None or False."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, exists, func, insert, select, update

from shared.store.database_clock import database_now
from shared.store.owner_filter import owned
from shared.store.pages import Listing, Page, PageRequest
from shared.store.rows import to_text
from shared.store.tables import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT

_TABLE = WEBHOOK_ENDPOINT


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events go. Times in seconds since the epoch.

    `sealed`: the signing secret, and the one before it while that is still good. `disabled_at`: when it was gone.
    """

    id: str
    name: str
    url: str
    event_types: tuple[str, ...]
    hint: str
    created_at: int
    updated_at: int
    disabled_at: float | None = None
    sealed: tuple[str, ...] = field(default=(), repr=False)


COLUMNS = (
    *(_TABLE.c[name] for name in ("id", "name", "url", "event_types", "hint", "created_at", "updated_at")),
    _TABLE.c.disabled_at,
    _TABLE.c.sealed,
    case((_TABLE.c.sealed_before_until > database_now(), _TABLE.c.sealed_before)).label("sealed_before"),
)


def create(connection: Connection, owner: str, endpoint: Endpoint) -> None:
    """Store a new endpoint."""
    values = {
        "id": endpoint.id,
        "owner": owner,
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": to_text(endpoint.event_types),
        "sealed": endpoint.sealed[0],
        "hint": endpoint.hint,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }
    connection.execute(insert(_TABLE).values(**values))


def any_endpoint_of(owner: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the owner has an endpoint that is not disabled."""
    return exists().where(owned(_TABLE, owner), _TABLE.c.disabled_at.is_(None))


def count(connection: Connection, owner: str) -> int:
    """How many the owner has."""
    return connection.execute(select(func.count()).where(owned(_TABLE, owner))).scalar_one()


def get(connection: Connection, owner: str, endpoint_id: str) -> Endpoint | None:
    """An endpoint."""
    row = connection.execute(select(*COLUMNS).where(_is(owner, endpoint_id))).first()
    return to_endpoint(row) if row else None


def page(connection: Connection, owner: str, request: PageRequest) -> Page[Endpoint]:
    """The owner's endpoints."""
    index = "ix_webhook_endpoint_owner_position"
    listing = Listing(COLUMNS, owned(_TABLE, owner), _TABLE.c.id, _TABLE.c.position, index)
    return listing.page(connection, request, to_endpoint)


def change(connection: Connection, owner: str, endpoint_id: str, at: int, changes: Mapping[str, Any]) -> bool:
    """Change name, URL or event types, and enable it again; False when there is no such endpoint."""
    stored = {name: to_text(value) if name == "event_types" else value for name, value in changes.items()}
    changed = update(_TABLE).where(_is(owner, endpoint_id)).values(**stored, updated_at=at, disabled_at=None)
    return connection.execute(changed).rowcount == 1


def rotate(
    connection: Connection, owner: str, endpoint_id: str, at: int, *, sealed: str, hint: str, keep_seconds: float
) -> bool:
    """Give it another secret; the one before is good for so long. False when there is no such endpoint."""
    before = {"sealed_before": _TABLE.c.sealed, "sealed_before_until": database_now() + keep_seconds}
    rotated = update(_TABLE).where(_is(owner, endpoint_id)).values(**before, sealed=sealed, hint=hint, updated_at=at)
    return connection.execute(rotated).rowcount == 1


def remove(connection: Connection, owner: str, endpoint_id: str) -> bool:
    """Delete an endpoint, with what was to be sent to it; False when there is no such endpoint."""
    if connection.execute(delete(_TABLE).where(_is(owner, endpoint_id))).rowcount == 0:
        return False
    connection.execute(delete(WEBHOOK_DELIVERY).where(WEBHOOK_DELIVERY.c.endpoint_id == endpoint_id))
    return True


def to_endpoint(row: Row[Any]) -> Endpoint:
    """The endpoint of a row that has COLUMNS."""
    return Endpoint(
        id=row.id,
        name=row.name,
        url=row.url,
        event_types=tuple(orjson.loads(row.event_types)),
        hint=row.hint,
        created_at=row.created_at,
        updated_at=row.updated_at,
        disabled_at=row.disabled_at,
        sealed=(row.sealed, row.sealed_before) if row.sealed_before else (row.sealed,),
    )


def _is(owner: str, endpoint_id: str) -> ColumnElement[bool]:
    return and_(_TABLE.c.id == endpoint_id, owned(_TABLE, owner))
