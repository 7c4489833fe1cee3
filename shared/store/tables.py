"""The tables. JSON documents are kept as text: they go out as they came in, and nothing queries into them."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata = MetaData(naming_convention=NAMING)


# Spelled out in the statements too: a database uses a partial index only where it sees the very same words.
IS_ACTIVE = text("status IN ('queued', 'in_progress')")
IS_HELD_BACK = text("status = 'queued' AND dispatched_at IS NULL AND waits_for IS NULL")
IS_TOOL_ITEM = text("type NOT IN ('message', 'reasoning')")


def _position() -> Column[int]:
    # SQLite counts up by itself only for a column of exactly this type.
    return Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)


def _labels() -> Column[Any]:
    # The caller's metadata, whose own name SQLAlchemy keeps for itself. The one document that queries look into.
    document = JSON().with_variant(JSONB(), "postgresql")
    return Column("metadata", document, nullable=False, server_default=text("'{}'"))


class ResponseRow(SQLModel, table=True):
    """A turn. `position` is the order of acceptance; times are seconds since the epoch.

    attempt         the fencing token: every fenced change names it
    lease_until     by the database's clock; NULL unless in progress
    observed        somebody may have seen this turn's events
    output_started  this attempt may have published output
    side_effects    a server-side tool did something that must not be done twice
    ending          an end decided from outside, not yet written
    conversation_id the conversation it was made in, which may have been deleted since
    waits_for       the response that must end before this turn is dispatched
    dispatched_at   when its message was last given to the broker; NULL while it waits for another or is held back
    waiter          the API process that a foreground turn answers to
    abandoned_at    when a foreground turn with an idempotency key is given up, unless its caller is there or comes back
    erase_at        when content that was not to be stored is erased
    request         the accepted request less its input; body: the Response as it ended
    """

    __tablename__ = "response"
    __table_args__ = (
        UniqueConstraint("id"),
        Index(None, "owner", "position"),
        Index(None, "previous_response_id"),
        Index(None, "ended_at"),
        Index(None, "conversation_id", "position"),
        Index(
            "ix_response_waits_for",
            "waits_for",
            postgresql_where=text("waits_for IS NOT NULL"),
            sqlite_where=text("waits_for IS NOT NULL"),
        ),
        Index(
            "ix_response_active",
            "status",
            "lease_until",
            postgresql_where=IS_ACTIVE,
            sqlite_where=IS_ACTIVE,
        ),
        Index(
            "ix_response_conversation_id_active",
            "conversation_id",
            "position",
            postgresql_where=IS_ACTIVE,
            sqlite_where=IS_ACTIVE,
        ),
        Index(
            "ix_response_owner_active",
            "owner",
            "dispatched_at",
            "status",
            postgresql_where=IS_ACTIVE,
            sqlite_where=IS_ACTIVE,
        ),
        Index(
            "ix_response_owner_held_back",
            "owner",
            "position",
            postgresql_where=IS_HELD_BACK,
            sqlite_where=IS_HELD_BACK,
        ),
        Index(
            "ix_response_erase_at",
            "erase_at",
            postgresql_where=text("erase_at IS NOT NULL"),
            sqlite_where=text("erase_at IS NOT NULL"),
        ),
    )

    position: int | None = Field(default=None, sa_column=_position())
    id: str
    owner: str
    status: str
    attempt: int = 0
    lease_until: float | None = Field(default=None, sa_type=Double)
    worker: str | None = None
    observed: bool = False
    output_started: bool = False
    side_effects: bool = False
    ending: str | None = None
    waits_for: str | None = None
    dispatched_at: float | None = Field(default=None, sa_type=Double)
    waiter: str | None = None
    abandoned_at: float | None = Field(default=None, sa_type=Double)
    erase_at: float | None = Field(default=None, sa_type=Double)
    created_at: int = Field(sa_type=BigInteger)
    started_at: float | None = Field(default=None, sa_type=Double)
    ended_at: float | None = Field(default=None, sa_type=Double)
    background: bool
    stream: bool
    store: bool
    previous_response_id: str | None = None
    conversation_id: str | None = None
    labels: dict[str, str] = Field(default_factory=dict, sa_column=_labels())
    service_tier: str
    request: str = Field(sa_type=Text)
    ignored: str = Field(sa_type=Text)
    body: str | None = Field(default=None, sa_type=Text)


class ItemRow(SQLModel, table=True):
    """An item that a turn took in or gave out, or that was added to a conversation: stored once, in either or both.

    `position` is its place among its response's items, `conversation_position` its place in the conversation. An item
    that leaves one of the two stays in the other; one that is in neither is erased.
    """

    __tablename__ = "item"
    __table_args__ = (
        UniqueConstraint("response_id", "id"),
        UniqueConstraint("conversation_id", "id"),
        Index(None, "response_id", "position"),
        Index(None, "conversation_id", "conversation_position"),
        Index(
            "ix_item_conversation_id_tools",
            "conversation_id",
            "conversation_position",
            "type",
            postgresql_where=IS_TOOL_ITEM,
            sqlite_where=IS_TOOL_ITEM,
        ),
        Index(None, "owner", "id"),
    )

    position: int | None = Field(default=None, sa_column=_position())
    id: str
    owner: str
    response_id: str | None = Field(default=None, foreign_key="response.id", ondelete="CASCADE")
    conversation_id: str | None = Field(default=None, foreign_key="conversation.id", ondelete="CASCADE")
    conversation_position: int | None = Field(default=None, sa_type=BigInteger)
    direction: str | None = None
    type: str
    data: str = Field(sa_type=Text)


class ConversationRow(SQLModel, table=True):
    """A conversation. `next_position` only grows: whoever holds this row's lock may append.

    Lock order: a conversation before its responses, always.
    """

    __tablename__ = "conversation"
    __table_args__ = (UniqueConstraint("id"), Index(None, "owner", "position"))

    position: int | None = Field(default=None, sa_column=_position())
    id: str
    owner: str
    created_at: int = Field(sa_type=BigInteger)
    labels: dict[str, str] = Field(default_factory=dict, sa_column=_labels())
    next_position: int = Field(default=0, sa_type=BigInteger)


class ApiProcessRow(SQLModel, table=True):
    """An API process that lives: it says so every few seconds, by the database's clock.

    `recoveries`: JSON, how many of each kind since its start.
    """

    __tablename__ = "api_process"

    id: str = Field(primary_key=True)
    seen_at: float = Field(sa_type=Double)
    version: str | None = None
    recoveries: str | None = Field(default=None, sa_type=Text)


class WorkerProcessRow(SQLModel, table=True):
    """The same of a worker. Its turns have leases, which do not depend on it."""

    __tablename__ = "worker_process"

    id: str = Field(primary_key=True)
    seen_at: float = Field(sa_type=Double)
    version: str | None = None
    recoveries: str | None = Field(default=None, sa_type=Text)


class IdempotencyRow(SQLModel, table=True):
    """What a caller's idempotency key has made, and the digest of the body that made it."""

    __tablename__ = "idempotency"
    __table_args__ = (Index(None, "created_at"),)

    owner: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: str
    made_id: str
    created_at: float = Field(sa_type=Double)


class ApiKeyRow(SQLModel, table=True):
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


class WebhookEndpointRow(SQLModel, table=True):
    """Where an owner's events go. `event_types`: JSON list; `disabled_at`: when its receiver said that it is gone.

    `sealed`: the signing secret; `sealed_before`: the one before it, which may be good for a while.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (UniqueConstraint("id"), Index(None, "owner", "position"))

    position: int | None = Field(default=None, sa_column=_position())
    id: str
    owner: str
    name: str
    url: str = Field(sa_type=Text)
    event_types: str = Field(sa_type=Text)
    sealed: str = Field(sa_type=Text)
    sealed_before: str | None = Field(default=None, sa_type=Text)
    sealed_before_until: float | None = Field(default=None, sa_type=Double)
    hint: str
    created_at: int = Field(sa_type=BigInteger)
    updated_at: int = Field(sa_type=BigInteger)
    disabled_at: float | None = Field(default=None, sa_type=Double)


class WebhookDeliveryRow(SQLModel, table=True):
    """An event for an endpoint. `next_at`: when it is sent, or looked at again; NULL when it is over.

    No foreign keys: an endpoint that is deleted meanwhile must not keep a turn from ending.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index(None, "endpoint_id", "position"),
        Index(
            "ix_webhook_delivery_next_at",
            "next_at",
            postgresql_where=text("next_at IS NOT NULL"),
            sqlite_where=text("next_at IS NOT NULL"),
        ),
    )

    position: int | None = Field(default=None, sa_column=_position())
    response_id: str
    endpoint_id: str
    event_type: str
    created_at: float = Field(sa_type=Double)
    attempts: int = 0
    next_at: float | None = Field(default=None, sa_type=Double)
    answer: str | None = None


class JournalRow(SQLModel, table=True):
    """The exact events of an ended turn: frames, compressed. `lost`: the live log was gone at the end."""

    __tablename__ = "journal"

    response_id: str = Field(primary_key=True, foreign_key="response.id", ondelete="CASCADE")
    work: int
    lost: bool = False
    frames: bytes = Field(sa_type=LargeBinary)


RESPONSE: Table = ResponseRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
API_KEY: Table = ApiKeyRow.__table__  # type: ignore[attr-defined]
API_PROCESS: Table = ApiProcessRow.__table__  # type: ignore[attr-defined]
CONVERSATION: Table = ConversationRow.__table__  # type: ignore[attr-defined]
IDEMPOTENCY: Table = IdempotencyRow.__table__  # type: ignore[attr-defined]
ITEM: Table = ItemRow.__table__  # type: ignore[attr-defined]
JOURNAL: Table = JournalRow.__table__  # type: ignore[attr-defined]
WEBHOOK_DELIVERY: Table = WebhookDeliveryRow.__table__  # type: ignore[attr-defined]
WEBHOOK_ENDPOINT: Table = WebhookEndpointRow.__table__  # type: ignore[attr-defined]
WORKER_PROCESS: Table = WorkerProcessRow.__table__  # type: ignore[attr-defined]
