"""Processes that are alive: each says so every few seconds, by the database's clock, and what else it has to say."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, Table, delete, insert, select, update

from shared.store.database_clock import database_now
from shared.store.rows import to_text
from shared.store.tables import API_PROCESS, WORKER_PROCESS

BEAT_SECONDS = 5.0
UNSEEN_SECONDS = 3 * BEAT_SECONDS
_FORGOTTEN_SECONDS = 86_400

API, WORKER = API_PROCESS, WORKER_PROCESS


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was last heard of. `recoveries`: how many of each kind since its start.

    `version`: None of one from before processes told theirs.
    """

    id: str
    version: str | None
    seen_seconds_ago: float
    recoveries: Mapping[str, int]


def beat(
    connection: Connection, kind: Table, process_id: str, version: str, recoveries: Mapping[str, int] | None = None
) -> None:
    """Say that this process lives."""
    told = {"seen_at": database_now(), "version": version, "recoveries": to_text(recoveries or {})}
    if connection.execute(update(kind).where(kind.c.id == process_id).values(told)).rowcount == 0:
        connection.execute(insert(kind).values(id=process_id, **told))
        connection.execute(delete(kind).where(kind.c.seen_at < database_now() - _FORGOTTEN_SECONDS))


def leave(connection: Connection, kind: Table, process_id: str) -> None:
    """Say that this process is gone: who still waits on it waits in vain."""
    connection.execute(delete(kind).where(kind.c.id == process_id))


def alive(connection: Connection, kind: Table) -> list[Process]:
    """Those that were heard of lately."""
    age = (database_now() - kind.c.seen_at).label("age")
    columns = (kind.c.id, kind.c.version, kind.c.recoveries, age)
    rows = connection.execute(select(*columns).where(age < UNSEEN_SECONDS).order_by(kind.c.id))
    return [Process(row.id, row.version, max(0.0, row.age), orjson.loads(row.recoveries or "{}")) for row in rows]
