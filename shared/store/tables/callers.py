"""Who calls: keys, and what their idempotency keys have made."""

from sqlalchemy import Double, Index, Table, Text
from sqlmodel import Field

from shared.store.tables.columns import Row


class IdempotencyRow(Row, table=True):
    """What a caller's idempotency key has made, and the digest of the body that made it."""

    __tablename__ = "idempotency"
    __table_args__ = (Index(None, "created_at"),)

    owner: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: str
    made_id: str
    created_at: float = Field(sa_type=Double)


class ApiKeyRow(Row, table=True):
    """A key to the API. `digest` stands for the key itself; `models`: JSON list of patterns, NULL for all."""

    __tablename__ = "api_key"

    prefix: str = Field(primary_key=True)
    digest: str
    owner: str
    admin: bool
    models: str | None = Field(default=None, sa_type=Text)
    created_at: float = Field(sa_type=Double)
    expires_at: float | None = Field(default=None, sa_type=Double)
    revoked_at: float | None = Field(default=None, sa_type=Double)


API_KEY: Table = ApiKeyRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
IDEMPOTENCY: Table = IdempotencyRow.__table__  # type: ignore[attr-defined]
