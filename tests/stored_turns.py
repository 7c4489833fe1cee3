"""Turns for tests of whatever stands on the store: made, stored, claimed and ended in one line each."""

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, select, update

from shared import ids
from shared.core import sse_frame
from shared.core.assembly import Assembly
from shared.core.chunks import Chunk
from shared.core.response_render import lifecycle_events, render, render_ended
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.store import attempts, creation, purging, shares
from shared.store.database_clock import database_now
from shared.store.engine import Connection, Database
from shared.store.tables import CONVERSATION, ITEM, JOURNAL, RESPONSE
from shared.wire.items import Item
from shared.wire.response import ResponseBody

OWNER = "alice"
NOW = 1_700_000_000.0
SHARE = 100
"""Of the workers, for one owner."""


def new_turn(**changes: Any) -> Turn:
    """A background turn that was accepted and not yet stored."""
    facts: dict[str, Any] = {
        "id": ids.new_response_id(),
        "owner": OWNER,
        "status": Status.QUEUED,
        "created_at": int(NOW),
        "request": {"model": "m"},
        "background": True,
    }
    return Turn(**facts | changes)


def said(text: str, role: str = "user") -> Item:
    """A message item."""
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return {"id": ids.new_item_id("message"), "type": "message", "role": role, "content": content}


def called(call_id: str) -> Item:
    """A function call of the model."""
    return {
        "id": ids.new_item_id("function_call"),
        "type": "function_call",
        "call_id": call_id,
        "name": "look",
        "arguments": "{}",
    }


def returned(call_id: str) -> Item:
    """The output of a function call."""
    item_id = ids.new_item_id("function_call_output")
    return {"id": item_id, "type": "function_call_output", "call_id": call_id, "output": "seen"}


def texts(items: Sequence[Item]) -> list[str]:
    """What messages say, in order."""
    return [item["content"][0]["text"] for item in items]


def create(database: Database, items: Sequence[Item] = (), *, parent_held: bool = False, **changes: Any) -> Turn:
    """A queued turn of `OWNER`, stored."""
    turn = new_turn(**changes)
    with database.write() as connection:
        creation.create(connection, turn.owner, turn, items, parent_held=parent_held)
    return turn


def claim(database: Database, response_id: str, worker: str = "w", lease_seconds: float = 30) -> Turn | None:
    """CLAIM in a transaction of its own."""
    with database.write() as connection:
        return attempts.claim(connection, response_id, worker=worker, lease_seconds=lease_seconds)


def claimed(database: Database, items: Sequence[Item] = (), **changes: Any) -> Turn:
    """A turn that a worker holds."""
    turn = claim(database, create(database, items, **changes).id)
    assert turn is not None
    return turn


def completed(at: float = NOW + 5) -> Outcome:
    """The usual end."""
    return Outcome(status=Status.COMPLETED, at=at)


def body_of(turn: Turn, output: Sequence[Item] = (), outcome: Outcome | None = None) -> ResponseBody:
    """The Response of an ended turn."""
    return render_ended(render(turn, Status.IN_PROGRESS), list(output), outcome or completed())


def finish(database: Database, turn: Turn, output: Sequence[Item] = (), outcome: Outcome | None = None) -> bool:
    """FINISH by the worker, with the release of who waits, as one transaction."""
    outcome = outcome or completed()
    fence = (turn.id, turn.attempt)
    with database.write() as connection:
        done = attempts.finish(connection, fence, turn, body_of(turn, output, outcome), outcome, None)
        if done:
            shares.pass_on(connection, turn, SHARE)
    return done


def answered(database: Database, question: str, answer: str, **changes: Any) -> Turn:
    """A turn that is over."""
    turn = claimed(database, [said(question)], **changes)
    assert finish(database, turn, [said(answer, "assistant")])
    return turn


def row(database: Database, response_id: str) -> RowMapping:
    """All columns of a turn's row."""
    with database.read() as connection:
        return connection.execute(select(RESPONSE).where(RESPONSE.c.id == response_id)).mappings().one()


def everything(database: Database) -> list[list[tuple[Any, ...]]]:
    """Every row of every table: what must not change when something must not happen."""
    with database.read() as connection:
        statements = (select(table).order_by(*table.primary_key) for table in (RESPONSE, ITEM, JOURNAL, CONVERSATION))
        return [[tuple(found) for found in connection.execute(statement)] for statement in statements]


def change(database: Database, response_id: str, **values: Any) -> None:
    """Put a row into a state, whatever the protocol says about it."""
    with database.write() as connection:
        connection.execute(update(RESPONSE).where(RESPONSE.c.id == response_id).values(**values))


def expire(database: Database, response_id: str) -> None:
    """Let the lease of a turn be over, by the database's clock."""
    change(database, response_id, lease_until=database_now() - 1)


def lost_in_sight(database: Database) -> Turn:
    """A turn whose worker fell silent when somebody had seen output of it: it cannot run anew."""
    turn = claimed(database)
    change(database, turn.id, observed=True, output_started=True)
    expire(database, turn.id)
    return turn


def frames_of(turn: Turn, *chunks: Chunk) -> list[bytes]:
    """The events that a worker has emitted after these chunks, encoded."""
    assembly = Assembly(lifecycle_events(turn), ids.new_item_id, ids.new_call_id)
    events = lifecycle_events(turn) + assembly.feed(chunks)
    return [sse_frame.encode(event) for event in events]


def canary() -> str:
    """A text that occurs nowhere else."""
    return f"canary-{secrets.token_hex(8)}"


def purge_once(connection: Connection, *, older_than_seconds: float, limit: int) -> int:
    """One step of a purge, in one transaction: what is old and free is found and erased; how many."""
    found = purging.find(connection, purging.START, older_than_seconds=older_than_seconds, limit=1000)
    return purging.erase(connection, found.ids, older_than_seconds=older_than_seconds, limit=limit).count
