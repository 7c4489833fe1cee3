"""A store with a past: many responses that ended long ago, made by the database itself."""

from sqlalchemy import text

from shared.store.engine import Database

_COLUMNS = (
    "id, owner, status, attempt, observed, output_started, side_effects, created_at, started_at, dispatched_at, "
    "ended_at, background, stream, store, metadata, service_tier, request, ignored, body"
)
_VALUES = (
    "'resp_past' || n, 'owner' || (n % 10), 'completed', 1, true, true, false, 1700000000 + n, 1700000000 + n, "
    "1700000000 + n, {now} - 60 - n * 0.001, true, false, true, '{{}}', 'auto', '{{\"model\":\"m\"}}', '[]', '{{}}'"
)
_NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)",
    "postgresql": "WITH numbers(n) AS (SELECT generate_series(1, :count))",
}
_NOW = {"sqlite": "unixepoch()", "postgresql": "extract(epoch from now())"}


def fill(database: Database, count: int, *, statistics: bool) -> None:
    """Add so many ended responses of ten owners; with or without the planner's statistics about them."""
    kind = database.engine.dialect.name
    values = _VALUES.format(now=_NOW[kind])
    statement = f"INSERT INTO response ({_COLUMNS}) {_NUMBERS[kind]} SELECT {values} FROM numbers"
    if kind == "postgresql":
        statement = f"{_NUMBERS[kind]} INSERT INTO response ({_COLUMNS}) SELECT {values} FROM numbers"
        statement = statement.replace("'{}', 'auto'", "'{}'::jsonb, 'auto'")
    with database.write() as connection:
        connection.execute(text(statement), {"count": count})
        if statistics:
            connection.execute(text("ANALYZE"))
