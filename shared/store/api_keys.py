"""API keys as they are kept: digests, never the keys. Revoked ones stay, so that a server once closed stays closed."""

from typing import Any

import orjson
from sqlalchemy import Connection, Row, exists, select, update

from shared.core.api_key import ApiKey, Caller
from shared.store.insert_new import insert_new
from shared.store.tables import API_KEY


def add(connection: Connection, key: ApiKey) -> None:
    """Store a key; one that is there already stays as it is."""
    models = None if key.caller.models is None else orjson.dumps(key.caller.models).decode()
    new = insert_new(
        connection,
        API_KEY,
        prefix=key.prefix,
        digest=key.digest,
        owner=key.caller.owner,
        admin=key.caller.admin,
        models=models,
        created_at=key.created_at,
        expires_at=key.expires_at,
    )
    connection.execute(new)


def find(connection: Connection, prefix: str) -> ApiKey | None:
    """The key with this prefix, revoked or not."""
    row = connection.execute(select(API_KEY).where(API_KEY.c.prefix == prefix)).one_or_none()
    return None if row is None else _key(row)


def everyone(connection: Connection) -> list[ApiKey]:
    """All keys, oldest first."""
    return [_key(row) for row in connection.execute(select(API_KEY).order_by(API_KEY.c.created_at, API_KEY.c.prefix))]


def any_exist(connection: Connection) -> bool:
    """Whether there was ever a key."""
    return bool(connection.execute(select(exists(select(API_KEY.c.prefix)))).scalar_one())


def revoke(connection: Connection, prefix: str, at: float) -> bool:
    """Make a key worthless; False when there is none, True again for one that is revoked already."""
    revoked = update(API_KEY).where(API_KEY.c.prefix == prefix, API_KEY.c.revoked_at.is_(None)).values(revoked_at=at)
    return connection.execute(revoked).rowcount > 0 or find(connection, prefix) is not None


def _key(row: Row[Any]) -> ApiKey:
    models = None if row.models is None else tuple(orjson.loads(row.models))
    caller = Caller(row.owner, row.admin, models)
    return ApiKey(row.prefix, row.digest, caller, row.created_at, row.expires_at, row.revoked_at)
