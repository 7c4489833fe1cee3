"""What the sweeper looks for: turns that nobody is driving any more. Every change is a compare-and-set."""

from sqlalchemy import ColumnElement, Connection, and_, func, not_, or_, select, update

from shared.core.turn import Turn
from shared.core.turn_status import ACTIVE, Status
from shared.store.attempts import may_restart
from shared.store.database_clock import database_now
from shared.store.responses import erase
from shared.store.rows import TURN_COLUMNS, to_turn
from shared.store.tables import RESPONSE


def count_queued(connection: Connection) -> int:
    """How many turns should have a message in the broker."""
    statement = select(func.count()).select_from(RESPONSE).where(_ready())
    return connection.execute(statement).scalar_one()


def silent(connection: Connection, *, older_than_seconds: float, limit: int) -> list[Turn]:
    """Queued turns whose message was sent longest ago, the oldest first; now marked as sent again."""
    oldest = (
        select(RESPONSE.c.id)
        .where(_ready(), _sent_before(older_than_seconds))
        .order_by(RESPONSE.c.dispatched_at)
        .limit(limit)
    )
    return _mark_sent(connection, RESPONSE.c.id.in_(oldest), older_than_seconds)


def restartable(connection: Connection, *, older_than_seconds: float, limit: int) -> list[Turn]:
    """Turns whose worker was lost before anybody saw their output; now marked as sent again."""
    lost = select(RESPONSE.c.id).where(may_restart(), _sent_before(older_than_seconds)).limit(limit)
    return _mark_sent(connection, RESPONSE.c.id.in_(lost), older_than_seconds)


def lost(connection: Connection, *, limit: int) -> list[Turn]:
    """Turns whose worker was lost and that may not run anew."""
    statement = select(*TURN_COLUMNS).where(_expired(), RESPONSE.c.ending.is_(None), not_(may_restart())).limit(limit)
    return [to_turn(row) for row in connection.execute(statement)]


def adopt_dead_enders(connection: Connection, *, lease_seconds: float) -> list[Turn]:
    """Turns whose ender died half-way, taken under a new lease; attempt and ending stay."""
    statement = (
        update(RESPONSE)
        .where(_expired(), RESPONSE.c.ending.is_not(None))
        .values(lease_until=database_now() + lease_seconds)
        .returning(*TURN_COLUMNS)
    )
    return [to_turn(row) for row in connection.execute(statement)]


def over_age(connection: Connection, *, queued_seconds: float, running_seconds: float, limit: int) -> list[Turn]:
    """Turns that waited or ran for too long, by the database's clock."""
    waited = and_(RESPONSE.c.status == Status.QUEUED, RESPONSE.c.created_at < database_now() - queued_seconds)
    ran = and_(
        RESPONSE.c.status == Status.IN_PROGRESS,
        RESPONSE.c.ending.is_(None),
        RESPONSE.c.started_at < database_now() - running_seconds,
    )
    statement = select(*TURN_COLUMNS).where(or_(waited, ran)).limit(limit)
    return [to_turn(row) for row in connection.execute(statement)]


def release_orphans(connection: Connection) -> list[Turn]:
    """Waiting turns whose predecessor has ended or is gone: a net below the release in every end."""
    predecessor = RESPONSE.alias("predecessor")
    blocking = (
        select(predecessor.c.id)
        .where(predecessor.c.id == RESPONSE.c.waits_for, predecessor.c.status.in_(ACTIVE))
        .exists()
    )
    statement = (
        update(RESPONSE)
        .where(RESPONSE.c.waits_for.is_not(None), not_(blocking))
        .values(waits_for=None, dispatched_at=database_now())
        .returning(*TURN_COLUMNS)
    )
    return [to_turn(row) for row in connection.execute(statement)]


def purge(connection: Connection, *, older_than_seconds: float, limit: int) -> int:
    """Erase old ended responses that nothing goes on from; how many. Chains go from their ends, in rounds."""
    child = RESPONSE.alias("child")
    leaf = not_(select(child.c.id).where(child.c.previous_response_id == RESPONSE.c.id).exists())
    old = RESPONSE.c.ended_at < database_now() - older_than_seconds
    chosen = select(RESPONSE.c.id).where(old, leaf).order_by(RESPONSE.c.ended_at).limit(limit).with_for_update()
    held = connection.execute(chosen).scalars().all()
    # Asked again, now that nobody can go on from them: somebody may have, while the locks were waited for.
    response_ids = connection.execute(select(RESPONSE.c.id).where(RESPONSE.c.id.in_(held), leaf)).scalars().all()
    erase(connection, response_ids)
    return len(response_ids)


def _mark_sent(connection: Connection, chosen: ColumnElement[bool], older_than_seconds: float) -> list[Turn]:
    # The age is asked for again: another sweeper may have been here since the choice.
    statement = (
        update(RESPONSE)
        .where(chosen, _sent_before(older_than_seconds))
        .values(dispatched_at=database_now())
        .returning(*TURN_COLUMNS)
    )
    return [to_turn(row) for row in connection.execute(statement)]


def _ready() -> ColumnElement[bool]:
    return and_(RESPONSE.c.status == Status.QUEUED, RESPONSE.c.waits_for.is_(None))


def _expired() -> ColumnElement[bool]:
    return and_(RESPONSE.c.status == Status.IN_PROGRESS, RESPONSE.c.lease_until < database_now())


def _sent_before(seconds: float) -> ColumnElement[bool]:
    return or_(RESPONSE.c.dispatched_at.is_(None), RESPONSE.c.dispatched_at < database_now() - seconds)
