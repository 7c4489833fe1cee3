"""Living workers; what each process says of itself."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "worker_process",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("recoveries", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker_process")),
    )
    op.add_column("api_process", sa.Column("version", sa.String(), nullable=True))
    op.add_column("api_process", sa.Column("recoveries", sa.Text(), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("api_process", "recoveries")
    op.drop_column("api_process", "version")
    op.drop_table("worker_process")
