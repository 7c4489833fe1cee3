"""SQLite as a database that several processes write: its settings, and how writers wait for each other."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, FromClause
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared import clock

# Execution option of connections whose statements stand alone. SQLAlchemy's own, AUTOCOMMIT, is set and taken back each
# time a connection is lent, which costs more than the statement.
READS: Final = "turnstone_reads"

_BUSY_SECONDS: Final = 5
_CHECKPOINT_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.0005


class WriterQueue:
    """Lets one thread of this process write at a time; the others wait without a connection, 5 s at most.

    SQLite has no queue of its own: a writer that finds the lock taken sleeps, in the end for 100 ms at a time, and
    whoever looks at the right moment goes first. With sixteen writers that cost a third of all turns a second.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the process's turn to write; raises sqlalchemy's TimeoutError when it does not come."""
        if not self._lock.acquire(timeout=_BUSY_SECONDS):
            raise PoolTimeout("Other threads have been writing to the database for too long.")
        try:
            yield
        finally:
            self._lock.release()


class StatementCompiler(SQLiteCompiler):
    """Writes hints of statements, such as INDEXED BY, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002 - theirs
        """What follows the table."""
        return text


def prepare(connection: Any, _record: object) -> None:
    """Set up a new connection; an event listener of SQLAlchemy's engine."""
    connection.isolation_level = None
    _set_busy_timeout(connection, _BUSY_SECONDS)
    # For the change to WAL, which a new file needs once, SQLite waits for nobody, whatever the busy timeout says.
    if not _insist(connection, "PRAGMA journal_mode=WAL"):
        connection.execute("PRAGMA journal_mode=WAL")
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def begin(connection: Connection) -> None:
    """Begin a transaction with the write lock; an event listener of SQLAlchemy's engine.

    Taking the lock first means that two writers wait for each other instead of failing half-way.
    """
    if connection.get_execution_options().get(READS):
        return
    raw: Any = connection.connection.dbapi_connection
    _set_busy_timeout(raw, 0)
    try:
        if not _insist(raw, "BEGIN IMMEDIATE"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails again, and says so in SQLAlchemy's words
    finally:
        _set_busy_timeout(raw, _BUSY_SECONDS)


def empty_log(connection: Connection) -> bool:
    """Bring the write-ahead log into the file and cut it to nothing; False when somebody was in the way."""
    raw: Any = connection.connection.dbapi_connection
    _set_busy_timeout(raw, _CHECKPOINT_SECONDS)  # for so long, others may wait for us
    try:
        busy: int = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
    finally:
        _set_busy_timeout(raw, _BUSY_SECONDS)
    return not busy


def _insist(raw: sqlite3.Connection, statement: str) -> bool:
    """Try every half millisecond until no other process is in the way; False when one stays, or for another failure."""
    deadline = clock.monotonic() + _BUSY_SECONDS
    while True:
        try:
            raw.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or clock.monotonic() >= deadline:
                return False
        else:
            return True
        clock.pause(_LOOK_SECONDS)


def _set_busy_timeout(raw: sqlite3.Connection, seconds: float) -> None:
    raw.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}")
