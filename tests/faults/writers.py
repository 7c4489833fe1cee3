"""Who writes to the database in this process, so that it can stop when nobody does.

Frozen inside a transaction, a process would hold SQLite's one write lock for as long as it stays so.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shared.store.engine import Connection, Database

_others_may_write = threading.Condition()
_writing: dict[int, int] = {}


@contextmanager
def stop_between_writes() -> Iterator[None]:
    """Nobody but the caller, who may be in the midst of it, writes in this block."""
    me = threading.get_ident()
    with _others_may_write:
        _others_may_write.wait_for(lambda: not _writing.keys() - {me})
        yield


def watch_writers() -> None:
    """Have every transaction counted, from its first word to its last."""
    wrapped = Database.write

    @contextmanager
    def write(database: Database) -> Iterator[Connection]:
        _enter(threading.get_ident())
        try:
            with wrapped(database) as connection:
                yield connection
        finally:
            _leave(threading.get_ident())

    Database.write = write  # type: ignore[method-assign]


def _enter(writer: int) -> None:
    with _others_may_write:
        _writing[writer] = _writing.get(writer, 0) + 1


def _leave(writer: int) -> None:
    with _others_may_write:
        _writing[writer] -= 1
        if not _writing[writer]:
            del _writing[writer]
        _others_may_write.notify_all()
