"""A backup as docs/deployment.md tells to make it, while turns are being written."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from shared.store import schema
from shared.store.engine import Database
from tests.stored_turns import create, row, said

BEFORE = 20


@pytest.mark.parametrize("how", ["backup", "VACUUM INTO"])
def test_a_copy_made_while_turns_are_written_is_whole(sqlite_database_url: str, tmp_path: Path, how: str) -> None:
    source, copy = sqlite_database_url.removeprefix("sqlite:///"), tmp_path / "copy.sqlite3"
    database, stop = Database(sqlite_database_url), threading.Event()
    before = [create(database, [said("before")]) for _ in range(BEFORE)]

    def write() -> None:
        while not stop.is_set():
            create(database, [said("meanwhile")])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with closing(sqlite3.connect(source)) as live:
            if how == "backup":
                with closing(sqlite3.connect(copy)) as target:
                    live.backup(target)
            else:
                live.execute("VACUUM INTO ?", (str(copy),))
    finally:
        stop.set()
        writer.join()
        database.close()
    restored = Database(f"sqlite:///{copy}")
    schema.check(restored)
    assert {row(restored, turn.id)["status"] for turn in before} == {"queued"}
    create(restored, [said("after")])
    restored.close()
    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
