"""Webhook endpoints, and what is to be sent to them."""

from sqlalchemy import BigInteger, Double, Index, Table, Text, UniqueConstraint, text
from sqlmodel import Field

from shared.store.tables.columns import Row, partial_index, position_column


class WebhookEndpointRow(Row, table=True):
    """Where an owner's events go. `event_types`: JSON list; `disabled_at`: when its receiver said that it is gone.

    `sealed`: the signing secret; `sealed_before`: the one before it, which may be good for a while.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (UniqueConstraint("id"), Index(None, "owner", "position"))

    position: int | None = Field(default=None, sa_column=position_column())
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


class WebhookDeliveryRow(Row, table=True):
    """An event for an endpoint. `next_at`: when it is sent, or looked at again; NULL when it is over.

    No foreign keys: an endpoint that is deleted meanwhile must not keep a turn from ending.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index(None, "endpoint_id", "position"),
        partial_index("ix_webhook_delivery_next_at", "next_at", where=text("next_at IS NOT NULL")),
    )

    position: int | None = Field(default=None, sa_column=position_column())
    response_id: str
    endpoint_id: str
    event_type: str
    created_at: float = Field(sa_type=Double)
    attempts: int = 0
    next_at: float | None = Field(default=None, sa_type=Double)
    answer: str | None = None


WEBHOOK_DELIVERY: Table = WebhookDeliveryRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
WEBHOOK_ENDPOINT: Table = WebhookEndpointRow.__table__  # type: ignore[attr-defined]
