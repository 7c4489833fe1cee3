"""Every filter of a listing has an index in the listing's order, and so has retention.

Labels are kept by triggers: code of the revision before writes them too. What they are filled with first is read before
any lock is taken, since writers wait from there on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# How many responses may have been under way while the others were read.
_UNDER_WAY = 10_000

_INSERT = {
    "sqlite": "INSERT OR IGNORE INTO {table}_label (owner, key, value, position) "
    "SELECT {row}.owner, label.key, label.value, {row}.position FROM {source} json_each({row}.metadata) AS label "
    "WHERE label.type = 'text'",
    "postgresql": "INSERT INTO {table}_label (owner, key, value, position) "
    "SELECT {row}.owner, label.key, label.value, {row}.position FROM {source} jsonb_each_text({row}.metadata) AS label "
    "WHERE label.value IS NOT NULL",
}
# By the key, whose first columns are the old row's own labels: the table needs no second index.
_DELETE = {
    "sqlite": "DELETE FROM {table}_label WHERE owner = OLD.owner AND position = OLD.position "
    "AND (key, value) IN (SELECT label.key, label.value FROM json_each(OLD.metadata) AS label)",
    "postgresql": "DELETE FROM {table}_label AS gone USING jsonb_each_text(OLD.metadata) AS label "
    "WHERE gone.owner = OLD.owner AND gone.key = label.key AND gone.value = label.value "
    "AND gone.position = OLD.position",
}


def upgrade() -> None:
    """Apply."""
    for table in ("response", "conversation"):
        _create_labels(table)
    _fill("response")
    read_so_far = op.get_bind().execute(sa.text("SELECT coalesce(max(position), 0) FROM response")).scalar_one()
    _create_indexes()
    for table in ("response", "conversation"):
        _create_triggers(table)
    _fill("response", f"AND response.position > {read_so_far - _UNDER_WAY}")
    _fill("conversation")


def downgrade() -> None:
    """Undo."""
    for table in ("response", "conversation"):
        _drop_triggers(table)
        op.drop_table(f"{table}_label")
    for name in ("owner_status", "in_conversation", "followed", "ended"):
        op.drop_index(f"ix_response_{name}", table_name="response")
    op.create_index("ix_response_ended_at", "response", ["ended_at"])
    op.create_index("ix_response_previous_response_id", "response", ["previous_response_id"])
    op.create_index("ix_response_conversation_id_position", "response", ["conversation_id", "position"])


def _create_labels(table: str) -> None:
    op.create_table(
        f"{table}_label",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", "value", "position", name=op.f(f"pk_{table}_label")),
        sqlite_with_rowid=False,
    )


def _fill(table: str, more: str = "") -> None:
    dialect = op.get_context().dialect.name
    nothing_twice = " ON CONFLICT DO NOTHING" if dialect == "postgresql" else ""
    empty = f"AND {table}.metadata <> '{{}}'"
    insert = _INSERT[dialect].format(table=table, row=table, source=f"{table},")
    op.execute(f"{insert} {empty} {more}{nothing_twice}")


def _create_indexes() -> None:
    """Those without rows that nobody looks for take the place of the whole ones: what is written costs no more."""
    _index("owner_status", ["owner", "status", "position"])
    _index("in_conversation", ["conversation_id", "position"], "conversation_id IS NOT NULL")
    _index("followed", ["previous_response_id"], "previous_response_id IS NOT NULL")
    _index("ended", ["ended_at", "position"], "ended_at IS NOT NULL")
    for name in ("conversation_id_position", "previous_response_id", "ended_at"):
        op.drop_index(f"ix_response_{name}", table_name="response")


def _index(name: str, columns: list[str], where: str | None = None) -> None:
    part = sa.text(where) if where else None
    op.create_index(f"ix_response_{name}", "response", columns, postgresql_where=part, sqlite_where=part)


def _create_triggers(table: str) -> None:
    dialect = op.get_context().dialect.name
    insert = _INSERT[dialect].format(table=table, row="NEW", source="")
    delete = _DELETE[dialect].format(table=table)
    for event, row, change in (("INSERT", "NEW", insert), ("DELETE", "OLD", delete)):
        _create_trigger(dialect, table, f"{table}_label_{event.lower()}", event, f"{row}.metadata <> '{{}}'", [change])
    changed = "NEW.metadata <> OLD.metadata"
    _create_trigger(dialect, table, f"{table}_label_update", "UPDATE OF metadata", changed, [delete, insert])


def _create_trigger(dialect: str, table: str, name: str, event: str, when: str, changes: list[str]) -> None:
    head, body = f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW", "; ".join(changes)
    if dialect == "sqlite":
        op.execute(f"{head} WHEN {when} BEGIN {body}; END")
        return
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger AS $$ BEGIN {body}; RETURN NULL; END $$ LANGUAGE plpgsql")
    op.execute(f"{head} WHEN ({when}) EXECUTE FUNCTION {name}()")


def _drop_triggers(table: str) -> None:
    postgres = op.get_context().dialect.name == "postgresql"
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER {table}_label_{event}" + (f" ON {table}" if postgres else ""))
        if postgres:
            op.execute(f"DROP FUNCTION {table}_label_{event}()")
