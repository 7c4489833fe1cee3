"""The turn protocol's compare-and-sets. Each is one UPDATE whose row count decides; never check, then write.

*Fenced* means: WHERE the row still carries this attempt and is in progress. Who lost the turn changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, insert, not_, or_, select, tuple_, update

from shared.core.turn import Ending, Outcome, Turn
from shared.core.turn_status import ACTIVE, MAX_ATTEMPTS, Status, sources
from shared.store.conversation_items import append_turn
from shared.store.conversations import lock
from shared.store.database_clock import database_now
from shared.store.items import insert_items
from shared.store.rows import TURN_COLUMNS, to_text, to_turn
from shared.store.tables import JOURNAL, RESPONSE
from shared.wire.response import ResponseBody

# What a conversation remembers: failed and cancelled turns leave nothing in it.
_REMEMBERED = (Status.COMPLETED, Status.INCOMPLETE)

Fence = tuple[str, int]
"""(response id, attempt): what a worker must still hold."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The events as emitted, compressed; none for turns whose events nobody could read."""

    work: int
    frames: bytes
    lost: bool = False


def claim(connection: Connection, response_id: str, *, worker: str, lease_seconds: float) -> Turn | None:
    """CLAIM: take a queued turn, or take over one whose worker was lost; None means drop the message."""
    takes = or_(RESPONSE.c.status == Status.QUEUED, may_restart())
    statement = (
        update(RESPONSE)
        .where(RESPONSE.c.id == response_id, RESPONSE.c.waits_for.is_(None), takes)
        .values(
            status=Status.IN_PROGRESS,
            attempt=RESPONSE.c.attempt + 1,
            lease_until=database_now() + lease_seconds,
            worker=worker,
            output_started=False,
            started_at=database_now(),
        )
        .returning(*TURN_COLUMNS)
    )
    row = connection.execute(statement).first()
    return to_turn(row) if row else None


def may_restart() -> ColumnElement[bool]:
    """A lost attempt that may run anew: its lease is over and nobody can have seen its output."""
    unseen = or_(not_(RESPONSE.c.observed), not_(RESPONSE.c.output_started))
    return and_(
        RESPONSE.c.status == Status.IN_PROGRESS,
        RESPONSE.c.lease_until < database_now(),
        RESPONSE.c.ending.is_(None),
        RESPONSE.c.attempt < MAX_ATTEMPTS,
        not_(RESPONSE.c.side_effects),
        unseen,
    )


def renew(connection: Connection, held: Sequence[Fence], *, lease_seconds: float) -> set[Fence]:
    """RENEW many turns in one statement; the survivors. The rest are lost and must stop."""
    survivors = connection.execute(
        update(RESPONSE)
        .where(tuple_(RESPONSE.c.id, RESPONSE.c.attempt).in_(held), _running(), RESPONSE.c.ending.is_(None))
        .values(lease_until=database_now() + lease_seconds)
        .returning(RESPONSE.c.id, RESPONSE.c.attempt)
    )
    return {(row.id, row.attempt) for row in survivors}


def give_back(connection: Connection, fence: Fence) -> bool:
    """End the lease now, so that another worker can start the turn anew; False when its output may have been seen."""
    unseen = or_(not_(RESPONSE.c.observed), not_(RESPONSE.c.output_started))
    free = and_(RESPONSE.c.ending.is_(None), RESPONSE.c.attempt < MAX_ATTEMPTS, not_(RESPONSE.c.side_effects), unseen)
    statement = update(RESPONSE).where(_fenced(fence), free).values(lease_until=database_now() - 1)
    return connection.execute(statement).rowcount == 1


def start_output(connection: Connection, fence: Fence) -> bool:
    """OUTPUT START, before the first output event is published; False means publish nothing."""
    statement = update(RESPONSE).where(_fenced(fence), RESPONSE.c.ending.is_(None)).values(output_started=True)
    return connection.execute(statement).rowcount == 1


def finish(
    connection: Connection, fence: Fence, turn: Turn, body: ResponseBody, outcome: Outcome, journal: Journal | None
) -> bool:
    """FINISH by the worker; False means that the turn was lost and nothing was written."""
    return _end(connection, and_(_fenced(fence), RESPONSE.c.ending.is_(None)), turn, body, outcome, journal)


def finish_ending(
    connection: Connection, fence: Fence, turn: Turn, body: ResponseBody, outcome: Outcome, journal: Journal | None
) -> bool:
    """The last step of END FROM OUTSIDE, under the number of its takeover."""
    return _end(connection, and_(_fenced(fence), RESPONSE.c.ending == turn.ending), turn, body, outcome, journal)


def end_queued(
    connection: Connection, turn: Turn, body: ResponseBody, outcome: Outcome, journal: Journal | None
) -> bool:
    """END FROM OUTSIDE of a turn that no worker ever had. Those who waited for it wait for whom it waited for."""
    _lock_conversation(connection, turn)
    ahead = _still_ahead(connection, turn.id)
    done = _end(connection, _is(turn.id, Status.QUEUED), turn, body, outcome, journal)
    if done and ahead:
        connection.execute(update(RESPONSE).where(RESPONSE.c.waits_for == turn.id).values(waits_for=ahead))
    return done


def take_over(
    connection: Connection, response_id: str, ending: Ending, *, lease_seconds: float, only_lost: bool = False
) -> Turn | None:
    """END FROM OUTSIDE, first step: from here on the worker is fenced out; None when there was nothing to take.

    `only_lost`, for the sweeper: take a turn only if its lease is over and it may not run anew.
    """
    allowed = and_(_is(response_id, Status.IN_PROGRESS), RESPONSE.c.ending.is_(None))
    if only_lost:
        allowed = and_(allowed, RESPONSE.c.lease_until < database_now(), not_(may_restart()))
    statement = (
        update(RESPONSE)
        .where(allowed)
        .values(attempt=RESPONSE.c.attempt + 1, ending=ending, lease_until=database_now() + lease_seconds)
        .returning(*TURN_COLUMNS)
    )
    row = connection.execute(statement).first()
    return to_turn(row) if row else None


def release_waiting(connection: Connection, ended_id: str) -> list[Turn]:
    """Let go the turns that waited for this end; in the terminal transaction, so that none is forgotten."""
    statement = (
        update(RESPONSE)
        .where(RESPONSE.c.waits_for == ended_id)
        .values(waits_for=None, dispatched_at=database_now())
        .returning(*TURN_COLUMNS)
    )
    return [to_turn(row) for row in connection.execute(statement)]


def _end(
    connection: Connection,
    allowed: ColumnElement[bool],
    turn: Turn,
    body: ResponseBody,
    outcome: Outcome,
    journal: Journal | None,
) -> bool:
    in_conversation = _lock_conversation(connection, turn)
    # The fenced UPDATE comes before all other writes: on Postgres it takes the row lock that makes them safe.
    statement = (
        update(RESPONSE)
        .where(allowed, RESPONSE.c.status.in_(sources(outcome.status)))
        .values(
            status=outcome.status,
            ended_at=outcome.at,
            lease_until=None,
            waits_for=None,
            body=to_text(body),
            erase_at=None if turn.store else database_now() + turn.erase_after_seconds,
        )
    )
    if connection.execute(statement).rowcount != 1:
        return False
    insert_items(connection, turn.owner, turn.id, "output", body["output"])
    if in_conversation and turn.store and outcome.status in _REMEMBERED:
        append_turn(connection, str(turn.conversation_id), turn.id)
    if journal is not None:
        connection.execute(
            insert(JOURNAL).values(response_id=turn.id, work=journal.work, lost=journal.lost, frames=journal.frames)
        )
    return True


def _lock_conversation(connection: Connection, turn: Turn) -> bool:
    """Hold the turn's conversation, before the turn itself; False when it has none, or it was deleted meanwhile."""
    return turn.conversation_id is not None and lock(connection, turn.owner, turn.conversation_id)


def _still_ahead(connection: Connection, response_id: str) -> str | None:
    """The active turn that this one waits for, held as it is: its end would release those who wait for it."""
    ahead = select(RESPONSE.c.waits_for).where(RESPONSE.c.id == response_id).scalar_subquery()
    active = (RESPONSE.c.id == ahead, RESPONSE.c.status.in_(ACTIVE))
    return connection.execute(select(RESPONSE.c.id).where(*active).with_for_update(read=True)).scalar()


def _running() -> ColumnElement[bool]:
    return RESPONSE.c.status == Status.IN_PROGRESS


def _is(response_id: str, status: Status) -> ColumnElement[bool]:
    return and_(RESPONSE.c.id == response_id, RESPONSE.c.status == status)


def _fenced(fence: Fence) -> ColumnElement[bool]:
    response_id, attempt = fence
    return and_(_is(response_id, Status.IN_PROGRESS), RESPONSE.c.attempt == attempt)
