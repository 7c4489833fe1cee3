"""Writers of a SQLite file wait for each other without holding up anybody else."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.store import sqlite
from shared.store.engine import Database, is_outage

WRITERS = 8
ROUNDS = 200
DEADLINE_SECONDS = 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "turns.sqlite"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    """Fewer connections than writers."""
    database = Database(f"sqlite:///{file}", pool_size=2)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE turn (number INTEGER)"))
    yield database
    database.close()


def insert(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("INSERT INTO turn VALUES (1)"))


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM turn")).scalar_one())


def test_writers_that_wait_hold_up_no_reader(database: Database, file: Path) -> None:
    """Another process holds the lock; of the eight that want it, one at most has a connection."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other, ThreadPoolExecutor(WRITERS) as threads:
        other.execute("BEGIN IMMEDIATE")
        writes: list[Future[None]] = [threads.submit(insert, database) for _ in range(WRITERS)]
        reads = [count(database) for _ in range(100)]
        other.execute("COMMIT")
        wait_for(writes, DEADLINE_SECONDS)
    assert reads == [0] * 100
    assert all(write.exception() is None for write in writes)
    assert count(database) == WRITERS


def test_a_lock_that_is_never_let_go_is_an_outage(
    database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process frozen in the middle of a transaction: for the first writer, and for the ones behind it."""
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(file, isolation_level=None)) as other, ThreadPoolExecutor(WRITERS) as threads:
        other.execute("BEGIN IMMEDIATE")
        errors = [write.exception(DEADLINE_SECONDS) for write in [threads.submit(insert, database) for _ in range(2)]]
    assert all(error is not None and is_outage(error) for error in errors)
    insert(database)
    assert count(database) == 1


def test_processes_that_read_and_then_write_wait_for_each_other(file: Path, database: Database) -> None:
    """Each takes the lock before it reads: none fails in the middle, and no change is lost."""
    insert(database)
    others = [Database(f"sqlite:///{file}", pool_size=1) for _ in range(2)]
    with ThreadPoolExecutor(2 * WRITERS) as threads:
        counts = [threads.submit(count_on, others[number % 2]) for number in range(ROUNDS)]
        wait_for(counts, DEADLINE_SECONDS)
    for other in others:
        other.close()
    assert [count.exception() for count in counts if count.exception()] == []
    with database.read() as connection:
        assert connection.execute(text("SELECT number FROM turn")).scalar_one() == 1 + ROUNDS


def count_on(database: Database) -> None:
    with database.write() as connection:
        number = connection.execute(text("SELECT number FROM turn")).scalar_one()
        connection.execute(text("UPDATE turn SET number = :next"), {"next": number + 1})


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    """The first of them changes the file's journal, which SQLite refuses while another one looks at it."""

    def open_it(database: Database) -> object:
        with database.read() as connection:
            return connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()

    for number in range(ROUNDS // WRITERS):
        databases = [Database(f"sqlite:///{tmp_path / f'{number}.sqlite'}", pool_size=1) for _ in range(WRITERS)]
        with ThreadPoolExecutor(WRITERS) as threads:
            assert list(threads.map(open_it, databases)) == ["wal"] * WRITERS
        for database in databases:
            database.close()
