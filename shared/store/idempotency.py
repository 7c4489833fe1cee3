"""Idempotency keys: what a key has made, for a day, so that a repeated request finds it and makes no other."""

from sqlalchemy import ColumnElement, Connection, delete, select, tuple_

from shared.errors import IdempotencyKeyReused
from shared.store.database_clock import database_now
from shared.store.filters import pinned
from shared.store.insert_new import insert_new
from shared.store.tables import IDEMPOTENCY

KEPT_SECONDS = 86_400


def claim(connection: Connection, owner: str, key: str, digest: str, made_id: str) -> str | None:
    """Bind the key to what this transaction makes; the id it is bound to already, if it is.

    Raises IdempotencyKeyReused when that was made by another request body. A transaction that holds the same key is
    waited for.
    """
    values = {"owner": owner, "key": key, "digest": digest, "made_id": made_id, "created_at": database_now()}
    insert = insert_new(connection, IDEMPOTENCY, **values)
    # Not the row count, which SQLAlchemy does not keep for an INSERT.
    if connection.execute(insert.returning(IDEMPOTENCY.c.made_id)).first() is not None:
        return None
    bound = select(IDEMPOTENCY.c.digest, IDEMPOTENCY.c.made_id)
    row = connection.execute(bound.where(IDEMPOTENCY.c.owner == owner, IDEMPOTENCY.c.key == key)).one()
    if row.digest != digest:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used with another request body.", "Idempotency-Key", "idempotency_key_reused"
        )
    return str(row.made_id)


def is_old() -> ColumnElement[bool]:
    """A key that is older than a day."""
    return IDEMPOTENCY.c.created_at < database_now() - KEPT_SECONDS


def forget_old(connection: Connection, *, limit: int) -> int:
    """Drop some of the old keys; how many. What somebody holds is left for the next time."""
    old = pinned(
        select(IDEMPOTENCY.c.owner, IDEMPOTENCY.c.key).where(is_old()), IDEMPOTENCY, "ix_idempotency_created_at"
    )
    free = old.order_by(IDEMPOTENCY.c.created_at).limit(limit).with_for_update(skip_locked=True)
    keys = [tuple(row) for row in connection.execute(free)]
    return connection.execute(
        delete(IDEMPOTENCY).where(tuple_(IDEMPOTENCY.c.owner, IDEMPOTENCY.c.key).in_(keys))
    ).rowcount
