"""Turns and conversations, their items and the events that turns sent."""

from sqlalchemy import BigInteger, Double, Index, LargeBinary, Table, Text, UniqueConstraint, text
from sqlmodel import Field

from shared.store.tables.columns import Row, labels_column, partial_index, position_column

# Spelled out in the statements too: a database uses a partial index only where it sees the very same words.
IS_ACTIVE = text("status IN ('queued', 'in_progress')")
IS_HELD_BACK = text("status = 'queued' AND dispatched_at IS NULL AND waits_for IS NULL")
IS_TOOL_ITEM = text("type NOT IN ('message', 'reasoning')")


class ResponseRow(Row, table=True):
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
        Index("ix_response_owner_status", "owner", "status", "position"),
        partial_index("ix_response_followed", "previous_response_id", where=text("previous_response_id IS NOT NULL")),
        partial_index("ix_response_ended", "ended_at", "position", where=text("ended_at IS NOT NULL")),
        partial_index(
            "ix_response_in_conversation", "conversation_id", "position", where=text("conversation_id IS NOT NULL")
        ),
        partial_index("ix_response_waits_for", "waits_for", where=text("waits_for IS NOT NULL")),
        partial_index("ix_response_active", "status", "lease_until", where=IS_ACTIVE),
        partial_index("ix_response_conversation_id_active", "conversation_id", "position", where=IS_ACTIVE),
        partial_index("ix_response_owner_active", "owner", "dispatched_at", "status", where=IS_ACTIVE),
        partial_index("ix_response_owner_held_back", "owner", "position", where=IS_HELD_BACK),
        partial_index("ix_response_erase_at", "erase_at", where=text("erase_at IS NOT NULL")),
    )

    position: int | None = Field(default=None, sa_column=position_column())
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
    labels: dict[str, str] = Field(default_factory=dict, sa_column=labels_column())
    service_tier: str
    request: str = Field(sa_type=Text)
    ignored: str = Field(sa_type=Text)
    body: str | None = Field(default=None, sa_type=Text)


class ItemRow(Row, table=True):
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
        partial_index(
            "ix_item_conversation_id_tools", "conversation_id", "conversation_position", "type", where=IS_TOOL_ITEM
        ),
        Index(None, "owner", "id"),
    )

    position: int | None = Field(default=None, sa_column=position_column())
    id: str
    owner: str
    response_id: str | None = Field(default=None, foreign_key="response.id", ondelete="CASCADE")
    conversation_id: str | None = Field(default=None, foreign_key="conversation.id", ondelete="CASCADE")
    conversation_position: int | None = Field(default=None, sa_type=BigInteger)
    direction: str | None = None
    type: str
    data: str = Field(sa_type=Text)


class ConversationRow(Row, table=True):
    """A conversation. `next_position` only grows: whoever holds this row's lock may append.

    Lock order: a conversation before its responses, always.
    """

    __tablename__ = "conversation"
    __table_args__ = (UniqueConstraint("id"), Index(None, "owner", "position"))

    position: int | None = Field(default=None, sa_column=position_column())
    id: str
    owner: str
    created_at: int = Field(sa_type=BigInteger)
    labels: dict[str, str] = Field(default_factory=dict, sa_column=labels_column())
    next_position: int = Field(default=0, sa_type=BigInteger)


class JournalRow(Row, table=True):
    """The exact events of an ended turn: frames, compressed. `lost`: the live log was gone at the end."""

    __tablename__ = "journal"

    response_id: str = Field(primary_key=True, foreign_key="response.id", ondelete="CASCADE")
    work: int
    lost: bool = False
    frames: bytes = Field(sa_type=LargeBinary)


RESPONSE: Table = ResponseRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
CONVERSATION: Table = ConversationRow.__table__  # type: ignore[attr-defined]
ITEM: Table = ItemRow.__table__  # type: ignore[attr-defined]
JOURNAL: Table = JournalRow.__table__  # type: ignore[attr-defined]
