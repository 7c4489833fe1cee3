"""Responses, their items, their journals."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "response",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("observed", sa.Boolean(), nullable=False),
        sa.Column("output_started", sa.Boolean(), nullable=False),
        sa.Column("side_effects", sa.Boolean(), nullable=False),
        sa.Column("ending", sa.String(), nullable=True),
        sa.Column("waits_for", sa.String(), nullable=True),
        sa.Column("dispatched_at", sa.Double(), nullable=True),
        sa.Column("waiter", sa.String(), nullable=True),
        sa.Column("erase_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("background", sa.Boolean(), nullable=False),
        sa.Column("stream", sa.Boolean(), nullable=False),
        sa.Column("store", sa.Boolean(), nullable=False),
        sa.Column("previous_response_id", sa.String(), nullable=True),
        sa.Column("service_tier", sa.String(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("ignored", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_response")),
        sa.UniqueConstraint("id", name=op.f("uq_response_id")),
    )
    with op.batch_alter_table("response", schema=None) as batch_op:
        batch_op.create_index(
            "ix_response_active",
            ["status", "lease_until"],
            unique=False,
            postgresql_where=sa.text("status IN ('queued', 'in_progress')"),
            sqlite_where=sa.text("status IN ('queued', 'in_progress')"),
        )
        batch_op.create_index(
            "ix_response_erase_at",
            ["erase_at"],
            unique=False,
            postgresql_where=sa.text("erase_at IS NOT NULL"),
            sqlite_where=sa.text("erase_at IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_response_ended_at"), ["ended_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_response_owner_position"), ["owner", "position"], unique=False)
        batch_op.create_index(batch_op.f("ix_response_previous_response_id"), ["previous_response_id"], unique=False)
        batch_op.create_index(
            "ix_response_waits_for",
            ["waits_for"],
            unique=False,
            postgresql_where=sa.text("waits_for IS NOT NULL"),
            sqlite_where=sa.text("waits_for IS NOT NULL"),
        )

    op.create_table(
        "item",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("response_id", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["response_id"], ["response.id"], name=op.f("fk_item_response_id_response"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_item")),
        sa.UniqueConstraint("response_id", "id", name=op.f("uq_item_response_id_id")),
    )
    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_item_response_id_position"), ["response_id", "position"], unique=False)

    op.create_table(
        "journal",
        sa.Column("response_id", sa.String(), nullable=False),
        sa.Column("work", sa.Integer(), nullable=False),
        sa.Column("lost", sa.Boolean(), nullable=False),
        sa.Column("frames", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["response_id"], ["response.id"], name=op.f("fk_journal_response_id_response"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("response_id", name=op.f("pk_journal")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("journal")
    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_item_response_id_position"))

    op.drop_table("item")
    with op.batch_alter_table("response", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_response_waits_for",
            postgresql_where=sa.text("waits_for IS NOT NULL"),
            sqlite_where=sa.text("waits_for IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_response_previous_response_id"))
        batch_op.drop_index(batch_op.f("ix_response_ended_at"))
        batch_op.drop_index(batch_op.f("ix_response_owner_position"))
        batch_op.drop_index(
            "ix_response_erase_at",
            postgresql_where=sa.text("erase_at IS NOT NULL"),
            sqlite_where=sa.text("erase_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_response_active",
            postgresql_where=sa.text("status IN ('queued', 'in_progress')"),
            sqlite_where=sa.text("status IN ('queued', 'in_progress')"),
        )

    op.drop_table("response")
