"""What a database is asked, and how it means to find it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from shared.store.engine import Database

Statement = tuple[str, Any]


@contextmanager
def statements_of(database: Database) -> Iterator[list[Statement]]:
    """The statements that are run meanwhile, with their parameters."""
    seen: list[Statement] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def plans_of(database: Database, statements: Sequence[Statement]) -> list[str]:
    """The plan of each statement but BEGIN."""
    sqlite = database.engine.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
    chosen = [(said, given) for said, given in statements if not said.startswith("BEGIN")]
    with database.read() as connection:
        return [
            "\n".join(str(line[-1]) for line in connection.exec_driver_sql(explain + said, given))
            for said, given in chosen
        ]


@contextmanager
def steps_of(database: Database) -> Iterator[list[int]]:
    """How many hundreds of steps SQLite's machine takes for each statement meanwhile; other databases count none."""
    taken: list[int] = []

    def begin(_connection: object, cursor: Any, *_: object) -> None:
        taken.append(0)
        cursor.connection.set_progress_handler(count, 100)

    def count() -> int:
        taken[-1] += 1
        return 0

    counted = database.engine.dialect.name == "sqlite"
    if counted:
        event.listen(database.engine, "before_cursor_execute", begin)
    yield taken
    if counted:
        event.remove(database.engine, "before_cursor_execute", begin)
