"""Foreground turns whose API process has died, so that they do not run for nobody."""

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from shared.core.turn import Turn
from shared.store.database_clock import database_now
from shared.store.rows import TURN_COLUMNS, to_turn
from shared.store.tables import API_PROCESS, IS_ACTIVE, RESPONSE


def find(connection: Connection, *, unseen_seconds: float, limit: int) -> list[Turn]:
    """Active turns whose API process was not seen for so long, or whose caller with a key did not come back.

    Without those whose row another transaction holds.
    """
    statement = select(*TURN_COLUMNS).where(is_abandoned(unseen_seconds)).limit(limit)
    return [to_turn(row) for row in connection.execute(statement.with_for_update(of=RESPONSE, skip_locked=True))]


def is_abandoned(unseen_seconds: float) -> ColumnElement[bool]:
    """Whether a turn is such a one."""
    # One seen in the future was seen before the clock stepped back.
    lately = API_PROCESS.c.seen_at.between(database_now() - unseen_seconds, database_now() + unseen_seconds)
    alive = select(API_PROCESS.c.id).where(API_PROCESS.c.id == RESPONSE.c.waiter, lately).exists()
    unheard = or_(and_(RESPONSE.c.waiter.is_not(None), ~alive), RESPONSE.c.abandoned_at < database_now())
    return and_(IS_ACTIVE, RESPONSE.c.ending.is_(None), unheard)
