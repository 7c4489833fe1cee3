"""Reads what clients saw and what the database holds, and says where a guarantee is broken.

G1 every turn has ended · G2 once, and was never changed after (a trigger in the database) · G5 one attempt's output
per stream · G13 numbers without gap or repeat, one terminal event, the last · G16 stream = journal = object.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import text

from shared.core import sse_frame
from shared.store import journals
from shared.store.engine import Database
from tests.faults.history import Event
from tests.stream_rules import check_stream

ENDED = ("completed", "incomplete", "failed", "cancelled")
CHANGED = "a terminal row was changed"

_WHEN = "OLD.status IN ('completed', 'incomplete', 'failed', 'cancelled')"
_TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER terminal BEFORE UPDATE ON response WHEN {_WHEN} BEGIN SELECT RAISE(ABORT, '{CHANGED}'); END"
    ],
    "postgresql": [
        f"CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE '{CHANGED}'; END $$ LANGUAGE plpgsql",
        f"CREATE TRIGGER terminal BEFORE UPDATE ON response FOR EACH ROW WHEN ({_WHEN}) EXECUTE FUNCTION refuse()",
    ],
}


def guard(database: Database) -> None:
    """Have the database itself refuse any change of a turn that has ended (G2)."""
    with database.write() as connection:
        for statement in _TRIGGERS[connection.dialect.name]:
            connection.exec_driver_sql(statement)


def check_log(log: str) -> None:
    """No part was refused a change (`guard`), or has crashed; logs name an error by its type only."""
    bad = re.compile(r'"error": "(IntegrityError|InternalError|DatabaseError|ProgrammingError)"|_crashed"')
    # Postgres may have ended the session of a frozen process: an outage like any other, and said to be one.
    outage = re.compile(r'_waits_for_database"|"database_unavailable"|"outage": true')
    found = [line for line in log.splitlines() if bad.search(line) and not outage.search(line)]
    assert not found, found[:3]


def row(database: Database, response_id: str) -> Any:
    """One turn's row."""
    with database.read() as connection:
        return connection.execute(text("SELECT * FROM response WHERE id = :id"), {"id": response_id}).one()


def check_turn(database: Database, response_id: str, streams: Iterable[list[Event]] = ()) -> dict[str, Any]:
    """One turn: ended, and the same in the row, the items, the journal and every stream; its Response."""
    stored = row(database, response_id)
    assert stored.status in ENDED, f"{response_id} is {stored.status} at attempt {stored.attempt}"
    assert stored.ending in (None, stored.status)
    body: dict[str, Any] = json.loads(stored.body)
    assert body["status"] == stored.status
    assert _output_items(database, response_id) == [item["id"] for item in body["output"]]
    recorded, lost = _journal(database, response_id)
    if stored.background or stored.stream:
        assert recorded, f"{response_id} has no journal"
    if recorded:
        assert recorded[-1]["response"] == body
        if not lost:
            check_stream(recorded)
            assert said(recorded) == text_of(body)
    for events in streams:
        check_stream(events, whole=events[0]["sequence_number"] == 0, resumed=True)
        assert events[-1]["response"] == body
        if not lost:
            assert said(events) == text_of(body)
    one_voice(text_of(body))
    for events in streams:
        one_voice(said(events))
    return body


def said(events: list[Event]) -> str:
    """What the text deltas of a stream say."""
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def text_of(body: dict[str, Any]) -> str:
    """What a Response says."""
    parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part["text"] for part in parts if part["type"] == "output_text")


def one_voice(words: str) -> None:
    """Each call of the model speaks in words of its own (`voices`): two of them in one text are two attempts (G5)."""
    heard = {word.rstrip("0123456789") for word in words.split() if word[:5] == "voice"}
    assert len(heard) <= 1, f"mixed attempts: {words}"


def _output_items(database: Database, response_id: str) -> list[str]:
    statement = "SELECT id FROM item WHERE response_id = :id AND direction = 'output' ORDER BY position"
    with database.read() as connection:
        return list(connection.execute(text(statement), {"id": response_id}).scalars())


def _journal(database: Database, response_id: str) -> tuple[list[Event], bool]:
    with database.read() as connection:
        found = connection.execute(
            text("SELECT frames, lost FROM journal WHERE response_id = :id"), {"id": response_id}
        ).one_or_none()
    if found is None:
        return [], False
    frames = sse_frame.split(journals.zlib.decompress(found.frames))
    return [sse_frame.decode(frame) for frame in frames], bool(found.lost)
