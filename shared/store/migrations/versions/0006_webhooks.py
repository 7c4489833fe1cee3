"""Webhook endpoints, and what is to be sent to them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "webhook_endpoint",
        sa.Column("position", _POSITION, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("sealed_before", sa.Text(), nullable=True),
        sa.Column("sealed_before_until", sa.Double(), nullable=True),
        sa.Column("hint", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_webhook_endpoint")),
        sa.UniqueConstraint("id", name=op.f("uq_webhook_endpoint_id")),
    )
    op.create_index(op.f("ix_webhook_endpoint_owner_position"), "webhook_endpoint", ["owner", "position"])
    op.create_table(
        "webhook_delivery",
        sa.Column("position", _POSITION, autoincrement=True, nullable=False),
        sa.Column("response_id", sa.String(), nullable=False),
        sa.Column("endpoint_id", sa.String(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_webhook_delivery")),
    )
    op.create_index(op.f("ix_webhook_delivery_endpoint_id_position"), "webhook_delivery", ["endpoint_id", "position"])
    op.create_index(
        "ix_webhook_delivery_next_at",
        "webhook_delivery",
        ["next_at"],
        postgresql_where=sa.text("next_at IS NOT NULL"),
        sqlite_where=sa.text("next_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("webhook_delivery")
    op.drop_table("webhook_endpoint")
