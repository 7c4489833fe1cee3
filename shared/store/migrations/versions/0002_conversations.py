"""Conversations, and items that belong to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Until now a response's metadata stood only in its request.
_KNOWN_METADATA = {
    "sqlite": "UPDATE response SET metadata = coalesce(json_extract(request, '$.metadata'), '{}')",
    "postgresql": "UPDATE response SET metadata = coalesce(request::jsonb -> 'metadata', '{}')",
}
_IS_ACTIVE = sa.text("status IN ('queued', 'in_progress')")
_IS_TOOL_ITEM = sa.text("type NOT IN ('message', 'reasoning')")
_METADATA = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "conversation",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("metadata", _METADATA, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("next_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_conversation")),
        sa.UniqueConstraint("id", name=op.f("uq_conversation_id")),
    )
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_conversation_owner_position"), ["owner", "position"], unique=False)

    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.add_column(sa.Column("conversation_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("conversation_position", sa.BigInteger(), nullable=True))
        batch_op.alter_column("response_id", existing_type=sa.VARCHAR(), nullable=True)
        batch_op.alter_column("direction", existing_type=sa.VARCHAR(), nullable=True)
        batch_op.create_index(
            batch_op.f("ix_item_conversation_id_conversation_position"),
            ["conversation_id", "conversation_position"],
            unique=False,
        )
        batch_op.create_index(
            "ix_item_conversation_id_tools",
            ["conversation_id", "conversation_position", "type"],
            unique=False,
            postgresql_where=_IS_TOOL_ITEM,
            sqlite_where=_IS_TOOL_ITEM,
        )
        batch_op.create_index(batch_op.f("ix_item_owner_id"), ["owner", "id"], unique=False)
        batch_op.create_unique_constraint(batch_op.f("uq_item_conversation_id_id"), ["conversation_id", "id"])
        batch_op.create_foreign_key(
            batch_op.f("fk_item_conversation_id_conversation"),
            "conversation",
            ["conversation_id"],
            ["id"],
            ondelete="CASCADE",
        )

    with op.batch_alter_table("response", schema=None) as batch_op:
        batch_op.add_column(sa.Column("conversation_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("metadata", _METADATA, nullable=False, server_default=sa.text("'{}'")))
        batch_op.create_index(
            batch_op.f("ix_response_conversation_id_position"), ["conversation_id", "position"], unique=False
        )
        batch_op.create_index(
            "ix_response_conversation_id_active",
            ["conversation_id", "position"],
            unique=False,
            postgresql_where=_IS_ACTIVE,
            sqlite_where=_IS_ACTIVE,
        )
    op.execute(_KNOWN_METADATA[op.get_context().dialect.name])


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("response", schema=None) as batch_op:
        batch_op.drop_index("ix_response_conversation_id_active")
        batch_op.drop_index(batch_op.f("ix_response_conversation_id_position"))
        batch_op.drop_column("metadata")
        batch_op.drop_column("conversation_id")

    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_item_conversation_id_conversation"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("uq_item_conversation_id_id"), type_="unique")
        batch_op.drop_index(batch_op.f("ix_item_owner_id"))
        batch_op.drop_index("ix_item_conversation_id_tools")
        batch_op.drop_index(batch_op.f("ix_item_conversation_id_conversation_position"))
        batch_op.alter_column("direction", existing_type=sa.VARCHAR(), nullable=False)
        batch_op.alter_column("response_id", existing_type=sa.VARCHAR(), nullable=False)
        batch_op.drop_column("conversation_position")
        batch_op.drop_column("conversation_id")

    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_conversation_owner_position"))

    op.drop_table("conversation")
