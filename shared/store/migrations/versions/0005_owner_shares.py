"""Indexes for the counts of an owner's turns, and for those that are held back."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_IS_ACTIVE = sa.text("status IN ('queued', 'in_progress')")
_IS_HELD_BACK = sa.text("status = 'queued' AND dispatched_at IS NULL AND waits_for IS NULL")


def upgrade() -> None:
    """Apply."""
    _index("ix_response_owner_active", ["owner", "dispatched_at", "status"], _IS_ACTIVE)
    _index("ix_response_owner_held_back", ["owner", "position"], _IS_HELD_BACK)


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_response_owner_held_back", table_name="response")
    op.drop_index("ix_response_owner_active", table_name="response")


def _index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "response", columns, postgresql_where=where, sqlite_where=where)
