"""The statements of the turn protocol. Built once, at import: building one takes longer than running it."""

from typing import Any

from sqlalchemy import ColumnElement, Double, and_, bindparam, insert, not_, or_, select, true, tuple_, update
from sqlalchemy.sql.dml import ReturningUpdate

from shared.core.turn_status import ACTIVE, MAX_ATTEMPTS, Status
from shared.store.database_clock import database_now
from shared.store.rows import TURN_COLUMNS
from shared.store.tables import JOURNAL, RESPONSE
from shared.store.webhooks import any_endpoint_of


def may_restart() -> ColumnElement[bool]:
    """A lost attempt that may run anew: its lease is over and nobody can have seen its output."""
    return and_(_running(), _lost(), _may_run_again())


def _is(status: Status) -> ColumnElement[bool]:
    return and_(RESPONSE.c.id == bindparam("turn"), RESPONSE.c.status == status)


def _fenced() -> ColumnElement[bool]:
    return and_(_is(Status.IN_PROGRESS), RESPONSE.c.attempt == bindparam("held"))


def _running() -> ColumnElement[bool]:
    return RESPONSE.c.status == Status.IN_PROGRESS


def _lost() -> ColumnElement[bool]:
    return RESPONSE.c.lease_until < database_now()


def _not_ending() -> ColumnElement[bool]:
    return RESPONSE.c.ending.is_(None)


def _may_run_again() -> ColumnElement[bool]:
    unseen = or_(not_(RESPONSE.c.observed), not_(RESPONSE.c.output_started))
    return and_(_not_ending(), RESPONSE.c.attempt < MAX_ATTEMPTS, not_(RESPONSE.c.side_effects), unseen)


def _from_now(name: str) -> ColumnElement[float]:
    """So many seconds from now, by the database's clock."""
    return database_now() + bindparam(name, type_=Double)


def _taken_over(allowed: ColumnElement[bool]) -> ReturningUpdate[Any]:
    statement = update(RESPONSE).where(_is(Status.IN_PROGRESS), _not_ending(), allowed)
    ending = {"attempt": RESPONSE.c.attempt + 1, "ending": bindparam("decided"), "lease_until": _from_now("lease")}
    return statement.values(ending).returning(*TURN_COLUMNS)


def _ended(allowed: ColumnElement[bool]) -> ReturningUpdate[tuple[bool]]:
    statement = update(RESPONSE).where(allowed, RESPONSE.c.status.in_(bindparam("sources", expanding=True)))
    end = statement.values(
        status=bindparam("end"),
        ended_at=bindparam("at"),
        lease_until=None,
        waits_for=None,
        body=bindparam("response"),
        erase_at=_from_now("keep"),
    )
    # Whether somebody is to be told is answered along the way: most turns need no statement for it.
    return end.returning(and_(RESPONSE.c.background, any_endpoint_of(RESPONSE.c.owner)))


CLAIM = (
    update(RESPONSE)
    .where(
        RESPONSE.c.id == bindparam("turn"),
        RESPONSE.c.waits_for.is_(None),
        or_(RESPONSE.c.status == Status.QUEUED, may_restart()),
    )
    .values(
        status=Status.IN_PROGRESS,
        attempt=RESPONSE.c.attempt + 1,
        lease_until=_from_now("lease"),
        worker=bindparam("claimer"),
        output_started=False,
        started_at=database_now(),
    )
    .returning(*TURN_COLUMNS)
)
RENEW = (
    update(RESPONSE)
    .where(tuple_(RESPONSE.c.id, RESPONSE.c.attempt).in_(bindparam("held", expanding=True)), _running(), _not_ending())
    .values(lease_until=_from_now("lease"))
    .returning(RESPONSE.c.id, RESPONSE.c.attempt)
)
OVERTAKEN = select(RESPONSE.c.id, RESPONSE.c.attempt).where(RESPONSE.c.id.in_(bindparam("asked", expanding=True)))
GIVE_BACK = update(RESPONSE).where(_fenced(), _may_run_again()).values(lease_until=database_now() - 1)
START_OUTPUT = update(RESPONSE).where(_fenced(), _not_ending()).values(output_started=True)
SIDE_EFFECTS = update(RESPONSE).where(_fenced(), _not_ending()).values(side_effects=True)
FINISH = _ended(and_(_fenced(), _not_ending()))
FINISH_ENDING = _ended(and_(_fenced(), RESPONSE.c.ending == bindparam("decided")))
END_QUEUED = _ended(_is(Status.QUEUED))
TAKE_OVER = _taken_over(true())
TAKE_OVER_LOST = _taken_over(and_(_lost(), not_(may_restart())))
STILL_AHEAD = (
    select(RESPONSE.c.id)
    .where(
        RESPONSE.c.id == select(RESPONSE.c.waits_for).where(RESPONSE.c.id == bindparam("turn")).scalar_subquery(),
        RESPONSE.c.status.in_(ACTIVE),
    )
    .with_for_update(read=True)
)
HAND_ON = update(RESPONSE).where(RESPONSE.c.waits_for == bindparam("turn")).values(waits_for=bindparam("ahead"))
INSERT_JOURNAL = insert(JOURNAL)
