"""API processes that are alive, so that the turns of a dead one's callers do not run for nobody."""

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from shared.core.turn import Turn
from shared.core.turn_status import ACTIVE
from shared.store.database_clock import database_now
from shared.store.rows import TURN_COLUMNS, to_turn
from shared.store.tables import API_PROCESS, RESPONSE

_FORGOTTEN_SECONDS = 86_400


def beat(connection: Connection, process_id: str) -> None:
    """Say that this process lives."""
    seen = update(API_PROCESS).where(API_PROCESS.c.id == process_id).values(seen_at=database_now())
    if connection.execute(seen).rowcount == 0:
        connection.execute(insert(API_PROCESS).values(id=process_id, seen_at=database_now()))
        connection.execute(delete(API_PROCESS).where(API_PROCESS.c.seen_at < database_now() - _FORGOTTEN_SECONDS))


def leave(connection: Connection, process_id: str) -> None:
    """Say that this process is gone: who still waits on it waits in vain."""
    connection.execute(delete(API_PROCESS).where(API_PROCESS.c.id == process_id))


def abandoned(connection: Connection, *, unseen_seconds: float, limit: int) -> list[Turn]:
    """Active turns whose API process was not seen for so long, or whose caller with a key did not come back.

    Without those whose row another transaction holds.
    """
    statement = select(*TURN_COLUMNS).where(is_abandoned(unseen_seconds)).limit(limit)
    return [to_turn(row) for row in connection.execute(statement.with_for_update(of=RESPONSE, skip_locked=True))]


def is_abandoned(unseen_seconds: float) -> ColumnElement[bool]:
    """Whether a turn is such a one."""
    alive = (
        select(API_PROCESS.c.id)
        .where(API_PROCESS.c.id == RESPONSE.c.waiter, API_PROCESS.c.seen_at >= database_now() - unseen_seconds)
        .exists()
    )
    unheard = or_(and_(RESPONSE.c.waiter.is_not(None), ~alive), RESPONSE.c.abandoned_at < database_now())
    return and_(RESPONSE.c.status.in_(ACTIVE), RESPONSE.c.ending.is_(None), unheard)
