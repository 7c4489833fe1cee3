"""The turn protocol's compare-and-sets. Each is one UPDATE whose row count decides; never check, then write.

*Fenced* means: WHERE the row still carries this attempt and is in progress. Who lost the turn changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection
from sqlalchemy.sql.dml import ReturningUpdate

from shared.core.turn import Ending, Outcome, Turn
from shared.core.turn_status import Status, sources
from shared.metrics import FENCED_WRITES
from shared.store import attempt_statements as statements
from shared.store import webhook_outbox
from shared.store.conversation_items import append_turn
from shared.store.conversations import lock
from shared.store.items import insert_items
from shared.store.rows import to_text, to_turn
from shared.wire.response import ResponseBody

# What a conversation remembers: failed and cancelled turns leave nothing in it.
_REMEMBERED = (Status.COMPLETED, Status.INCOMPLETE)

Fence = tuple[str, int]
"""(response id, attempt): what a worker must still hold."""


class Write(StrEnum):
    """The fenced writes, as those that were refused are counted; `append` is the event log's."""

    RENEWAL = "renewal"
    OUTPUT_START = "output_start"
    SIDE_EFFECTS = "side_effects"
    APPEND = "append"
    FINISH = "finish"
    FINISH_ENDING = "finish_ending"


for _write in Write:
    FENCED_WRITES.labels(_write)


@dataclass(frozen=True, slots=True)
class Journal:
    """The events as emitted, compressed; none for turns whose events nobody could read."""

    work: int
    frames: bytes
    lost: bool = False


def claim(connection: Connection, response_id: str, *, worker: str, lease_seconds: float) -> Turn | None:
    """CLAIM: take a queued turn, or take over one whose worker was lost; None means drop the message."""
    row = connection.execute(statements.CLAIM, {"turn": response_id, "claimer": worker, "lease": lease_seconds}).first()
    return to_turn(row) if row else None


def renew(connection: Connection, held: Sequence[Fence], *, lease_seconds: float) -> set[Fence]:
    """RENEW many turns in one statement; the survivors. The rest are lost and must stop."""
    survivors = connection.execute(statements.RENEW, {"held": held, "lease": lease_seconds})
    renewed = {(row.id, row.attempt) for row in survivors}
    FENCED_WRITES.labels(Write.RENEWAL).inc(len(held) - len(renewed))
    return renewed


def overtaken(connection: Connection, held: Sequence[Fence]) -> list[Fence]:
    """Those whose turn was ended from outside, or is another attempt's by now; not those that came to an own end."""
    rows = connection.execute(statements.OVERTAKEN, {"asked": [response_id for response_id, _ in held]})
    attempt_of = {row.id: row.attempt for row in rows}
    return [(response_id, attempt) for response_id, attempt in held if attempt_of.get(response_id, 0) > attempt]


def give_back(connection: Connection, fence: Fence) -> bool:
    """End the lease now, so that another worker can start the turn anew; False when its output may have been seen."""
    return connection.execute(statements.GIVE_BACK, _held(fence)).rowcount == 1


def start_output(connection: Connection, fence: Fence) -> bool:
    """OUTPUT START, before the first output event is published; False means publish nothing."""
    return _counted(Write.OUTPUT_START, connection.execute(statements.START_OUTPUT, _held(fence)).rowcount == 1)


def may_change_things(connection: Connection, fence: Fence) -> bool:
    """Remember, before it begins, that this attempt must not be made twice; False when the turn was lost."""
    return _counted(Write.SIDE_EFFECTS, connection.execute(statements.SIDE_EFFECTS, _held(fence)).rowcount == 1)


def finish(
    connection: Connection, fence: Fence, turn: Turn, body: ResponseBody, outcome: Outcome, journal: Journal | None
) -> bool:
    """FINISH by the worker; False means that the turn was lost and nothing was written."""
    done = _end(connection, statements.FINISH, _held(fence), turn, body, outcome, journal)
    return _counted(Write.FINISH, done)


def finish_ending(
    connection: Connection, fence: Fence, turn: Turn, body: ResponseBody, outcome: Outcome, journal: Journal | None
) -> bool:
    """The last step of END FROM OUTSIDE, under the number of its takeover."""
    allowed = _held(fence) | {"decided": turn.ending}
    done = _end(connection, statements.FINISH_ENDING, allowed, turn, body, outcome, journal)
    return _counted(Write.FINISH_ENDING, done)


def end_queued(
    connection: Connection, turn: Turn, body: ResponseBody, outcome: Outcome, journal: Journal | None
) -> bool:
    """END FROM OUTSIDE of a turn that no worker ever had. Those who waited for it wait for whom it waited for."""
    _lock_conversation(connection, turn)
    ahead = _still_ahead(connection, turn.id)
    done = _end(connection, statements.END_QUEUED, {"turn": turn.id}, turn, body, outcome, journal)
    if done and ahead:
        connection.execute(statements.HAND_ON, {"turn": turn.id, "ahead": ahead})
    return done


def take_over(
    connection: Connection, response_id: str, ending: Ending, *, lease_seconds: float, only_lost: bool = False
) -> Turn | None:
    """END FROM OUTSIDE, first step: from here on the worker is fenced out; None when there was nothing to take.

    `only_lost`, for the sweeper: take a turn only if its lease is over and it may not run anew.
    """
    statement = statements.TAKE_OVER_LOST if only_lost else statements.TAKE_OVER
    row = connection.execute(statement, {"turn": response_id, "decided": ending, "lease": lease_seconds}).first()
    return to_turn(row) if row else None


def _end(
    connection: Connection,
    statement: ReturningUpdate[tuple[bool]],
    allowed: dict[str, object],
    turn: Turn,
    body: ResponseBody,
    outcome: Outcome,
    journal: Journal | None,
) -> bool:
    in_conversation = _lock_conversation(connection, turn)
    # The fenced UPDATE comes before all other writes: on Postgres it takes the row lock that makes them safe.
    end = {
        "sources": sources(outcome.status),
        "end": outcome.status,
        "at": outcome.at,
        "response": to_text(body),
        "keep": None if turn.store else turn.erase_after_seconds,
    }
    told = connection.execute(statement, allowed | end).scalar()
    if told is None:
        return False
    insert_items(connection, turn.owner, turn.id, "output", body["output"])
    if in_conversation and turn.store and outcome.status in _REMEMBERED:
        append_turn(connection, str(turn.conversation_id), turn.id)
    if journal is not None:
        frames = {"response_id": turn.id, "work": journal.work, "lost": journal.lost, "frames": journal.frames}
        connection.execute(statements.INSERT_JOURNAL, frames)
    if told:
        webhook_outbox.add(connection, turn, outcome.status)
    return True


def _lock_conversation(connection: Connection, turn: Turn) -> bool:
    """Hold the turn's conversation, before the turn itself; False when it has none, or it was deleted meanwhile."""
    return turn.conversation_id is not None and lock(connection, turn.owner, turn.conversation_id)


def _still_ahead(connection: Connection, response_id: str) -> str | None:
    """The active turn that this one waits for, held as it is: its end would release those who wait for it."""
    ahead: str | None = connection.execute(statements.STILL_AHEAD, {"turn": response_id}).scalar()
    return ahead


def _counted(write: Write, held: bool) -> bool:
    if not held:
        FENCED_WRITES.labels(write).inc()
    return held


def _held(fence: Fence) -> dict[str, object]:
    response_id, attempt = fence
    return {"turn": response_id, "held": attempt}
