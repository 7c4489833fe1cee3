"""Turns put into any state, and read back with all that is stored of them."""

import zlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import delete, insert, select

from shared.core.turn import Ending
from shared.core.turn_status import TERMINAL
from shared.store import journals
from shared.store.database_clock import database_now
from shared.store.engine import Connection, Database
from shared.store.rows import to_text
from shared.store.tables import ITEM, JOURNAL, RESPONSE
from tests.stored_turns import NOW, OWNER, said, texts

LEASE = 1000.0
GONE = "an API process that is not there"


class Stored(NamedTuple):
    """What later steps can depend on, and what clients can read. `output`, `body`: what the turn says, as texts.

    `journal`: its attempt and its events. Left out are the names and times that a step may leave behind.
    """

    status: str = "queued"
    attempt: int = 0
    lease: Literal["holds", "over"] | None = None
    observed: bool = False
    output_started: bool = False
    side_effects: bool = False
    ending: Ending | None = None
    output: tuple[str, ...] = ()
    journal: tuple[int, bytes] | None = None
    body: tuple[str, ...] | None = None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def work(self) -> int:
        """The attempt whose output counts."""
        return self.attempt - (self.ending is not None)


class Contents(NamedTuple):
    """Everything that the database holds of one turn, to the last column."""

    row: tuple[Any, ...] | None
    items: list[tuple[Any, ...]]
    journal: tuple[Any, ...] | None


def put(database: Database, turns: Mapping[str, Stored | None]) -> None:
    """Let these turns be all there are; None: deleted."""
    there = {one: stored for one, stored in turns.items() if stored is not None}
    with database.write() as connection:
        now = _now(connection)
        for table in (JOURNAL, ITEM, RESPONSE):
            connection.execute(delete(table))
        rows = {
            RESPONSE: [_row(one, stored, now) for one, stored in there.items()],
            ITEM: [item for one, stored in there.items() for item in _items(one, stored)],
            JOURNAL: [_journal(one, *stored.journal) for one, stored in there.items() if stored.journal],
        }
        for table, values in rows.items():
            if values:
                connection.execute(insert(table), values)


def contents(database: Database) -> dict[str, Contents]:
    """What is stored of every turn, and of every turn that left something behind."""
    with database.read() as connection:
        rows = {row.id: tuple(row) for row in connection.execute(select(RESPONSE))}
        recorded = {row.response_id: tuple(row) for row in connection.execute(select(JOURNAL))}
        items: dict[str, list[tuple[Any, ...]]] = {}
        for row in connection.execute(select(ITEM).order_by(ITEM.c.position)):
            items.setdefault(row.response_id, []).append(tuple(row))
    found = rows.keys() | recorded.keys() | items.keys()
    return {one: Contents(rows.get(one), items.get(one, []), recorded.get(one)) for one in found}


def read(database: Database, found: Mapping[str, Contents]) -> dict[str, Stored]:
    """The same as later steps see it."""
    with database.read() as connection:
        now = _now(connection)
    return {one: _stored(*content, now) for one, content in found.items()}


def _stored(row: tuple[Any, ...] | None, items: list[tuple[Any, ...]], journal: Any, now: float) -> Stored:
    assert row is not None, "a deleted turn left something behind"
    columns = dict(zip(RESPONSE.c.keys(), row, strict=True))
    data = [dict(zip(ITEM.c.keys(), item, strict=True)) for item in items]
    recorded = dict(zip(JOURNAL.c.keys(), journal, strict=True)) if journal else None
    lease, body = columns["lease_until"], columns["body"]
    return Stored(
        **{name: columns[name] for name in Stored._fields[:7] if name != "lease"},
        lease=None if lease is None else "over" if lease < now else "holds",
        output=tuple(texts([orjson.loads(item["data"]) for item in data if item["direction"] == "output"])),
        journal=(recorded["work"], zlib.decompress(recorded["frames"])) if recorded else None,
        body=tuple(texts(orjson.loads(body)["output"])) if body else None,
    )


def _row(one: str, stored: Stored, now: float) -> dict[str, Any]:
    leases = {None: None, "over": now - 1, "holds": now + LEASE / 2}
    return {
        **{name: getattr(stored, name) for name in Stored._fields[:7] if name != "lease"},
        "id": one,
        "owner": OWNER,
        "lease_until": leases[stored.lease],
        "dispatched_at": NOW,
        "waiter": GONE,
        "created_at": int(NOW),
        "started_at": NOW if stored.attempt else None,
        "ended_at": NOW if stored.ended else None,
        "background": True,
        "stream": False,
        "store": True,
        "metadata": {},
        "service_tier": "auto",
        "request": "{}",
        "ignored": "[]",
        "body": None if stored.body is None else to_text({"output": [said(text) for text in stored.body]}),
    }


def _items(one: str, stored: Stored) -> list[dict[str, Any]]:
    items = [("input", said("question")), *(("output", said(text)) for text in stored.output)]
    return [
        {
            "id": item["id"],
            "owner": OWNER,
            "response_id": one,
            "direction": direction,
            "type": "message",
            "data": to_text(item),
        }
        for direction, item in items
    ]


def _journal(one: str, work: int, events: bytes) -> dict[str, Any]:
    return {"response_id": one, "work": work, "lost": False, "frames": journals.compress([events])}


def _now(connection: Connection) -> float:
    return float(connection.execute(select(database_now())).scalar_one())
