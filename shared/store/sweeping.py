"""What the sweeper looks for: turns that nobody is driving any more. Every change is a compare-and-set.

A row that somebody holds is passed over: one process frozen in a transaction must not hold up the recovery of all.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    and_,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    text,
    update,
)

from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.store import abandoned, idempotency, shares
from shared.store.attempt_statements import may_restart
from shared.store.database_clock import database_now
from shared.store.rows import TURN_COLUMNS, to_turn
from shared.store.tables import IDEMPOTENCY, IS_ACTIVE, IS_HELD_BACK, RESPONSE


class Chore(StrEnum):
    """The kinds of work that a sweep may find."""

    ERASE = "erase"
    FORGET_KEYS = "forget_keys"
    PURGE = "purge"
    RELEASE = "release"
    SEND_AGAIN = "send_again"
    END_ABANDONED = "end_abandoned"
    END_OVER_AGE = "end_over_age"
    RESTART = "restart"
    END_LOST = "end_lost"
    RESUME_ENDS = "resume_ends"
    SHORTEN_LEASES = "shorten_leases"


@dataclass(frozen=True, slots=True)
class Limits:
    """After how many seconds a sweep takes notice."""

    silent: float
    lease: float
    unseen: float
    queued: float
    running: float
    kept: float | None


def look(connection: Connection, limits: Limits) -> list[Chore]:
    """What there is to do, in one statement: a sweep that finds nothing costs no more.

    It reads active turns and what is due, and none of those that have ended, however many there are.
    """
    work: dict[Chore, ColumnElement[bool]] = {
        Chore.RELEASE: and_(IS_ACTIVE, or_(_orphaned(), IS_HELD_BACK)),
        Chore.SEND_AGAIN: and_(_sent(), _sent_before(limits.silent)),
        Chore.END_ABANDONED: abandoned.is_abandoned(limits.unseen),
        Chore.END_OVER_AGE: _over_age(limits.queued, limits.running),
        Chore.RESTART: and_(IS_ACTIVE, may_restart(), _sent_before(limits.lease)),
        Chore.END_LOST: _lost(),
        Chore.RESUME_ENDS: _ender_died(),
        Chore.SHORTEN_LEASES: _from_the_future(limits.lease),
    }
    found: dict[Chore, ColumnElement[bool]] = {
        chore: exists().select_from(RESPONSE).where(some) for chore, some in work.items()
    }
    found |= {
        Chore.ERASE: _first(RESPONSE.c.erase_at) < database_now(),
        Chore.FORGET_KEYS: _first(IDEMPOTENCY.c.created_at) < database_now() - idempotency.KEPT_SECONDS,
        Chore.PURGE: _first(RESPONSE.c.ended_at) < database_now() - limits.kept if limits.kept else false(),
    }
    row = connection.execute(select(*(some.label(chore) for chore, some in found.items()))).one()
    return [chore for chore, some in zip(found, row, strict=True) if some]


def _first(time: Column[Any]) -> ScalarSelect[float]:
    # By its index, whatever the planner believes of how many there may be.
    return select(time).where(time.is_not(None)).order_by(time).limit(1).scalar_subquery()


def count_queued(connection: Connection) -> int:
    """How many turns should have a message in the broker."""
    statement = select(func.count()).select_from(RESPONSE).where(_sent())
    return connection.execute(statement).scalar_one()


def silent(connection: Connection, *, older_than_seconds: float, limit: int) -> list[Turn]:
    """Queued turns whose message was sent longest ago, the oldest first; now marked as sent again."""
    oldest = _free(and_(_sent(), _sent_before(older_than_seconds))).order_by(RESPONSE.c.dispatched_at).limit(limit)
    return _mark_sent(connection, oldest)


def restartable(connection: Connection, *, older_than_seconds: float, limit: int) -> list[Turn]:
    """Turns whose worker was lost before anybody saw their output; now marked as sent again."""
    lost = _free(and_(IS_ACTIVE, may_restart(), _sent_before(older_than_seconds))).limit(limit)
    return _mark_sent(connection, lost)


def lost(connection: Connection, *, limit: int) -> list[Turn]:
    """Turns whose worker was lost and that may not run anew."""
    return _turns(connection, _lost(), limit)


def over_age(connection: Connection, *, queued_seconds: float, running_seconds: float, limit: int) -> list[Turn]:
    """Turns that waited or ran for too long, by the database's clock."""
    return _turns(connection, _over_age(queued_seconds, running_seconds), limit)


def adopt_dead_enders(connection: Connection, *, lease_seconds: float, limit: int) -> list[Turn]:
    """Turns whose ender died half-way, taken under a new lease; attempt and ending stay."""
    statement = (
        update(RESPONSE)
        .where(RESPONSE.c.id.in_(_free(_ender_died()).limit(limit)))
        .values(lease_until=database_now() + lease_seconds)
        .returning(*TURN_COLUMNS)
    )
    return [to_turn(row) for row in connection.execute(statement)]


def shorten_leases(connection: Connection, *, lease_seconds: float) -> None:
    """End leases that are longer than any that is taken: the clock has stepped back since, and nobody renewed them."""
    statement = update(RESPONSE).where(RESPONSE.c.id.in_(_free(_from_the_future(lease_seconds))))
    connection.execute(statement.values(lease_until=database_now()))


def release(connection: Connection, *, owner_share: int) -> list[Turn]:
    """Let go who waits for a turn that has ended or is gone, and fill the owners' shares; who is to be sent.

    A net below the same in every end.
    """
    connection.execute(update(RESPONSE).where(RESPONSE.c.id.in_(_free(_orphaned()))).values(waits_for=None))
    return shares.dispatch_all(connection, owner_share)


def _mark_sent(connection: Connection, free: Select[tuple[str]]) -> list[Turn]:
    statement = (
        update(RESPONSE).where(RESPONSE.c.id.in_(free)).values(dispatched_at=database_now()).returning(*TURN_COLUMNS)
    )
    return [to_turn(row) for row in connection.execute(statement)]


def _free(some: ColumnElement[bool]) -> Select[tuple[str]]:
    """The ids of such rows, locked; without those that another transaction holds."""
    return select(RESPONSE.c.id).where(some).with_for_update(of=RESPONSE, skip_locked=True)


def _turns(connection: Connection, some: ColumnElement[bool], limit: int) -> list[Turn]:
    statement = select(*TURN_COLUMNS).where(some).limit(limit).with_for_update(of=RESPONSE, skip_locked=True)
    return [to_turn(row) for row in connection.execute(statement)]


def _sent() -> ColumnElement[bool]:
    return and_(_queued(), RESPONSE.c.waits_for.is_(None), RESPONSE.c.dispatched_at.is_not(None))


def _queued() -> ColumnElement[bool]:
    # Spelled out beside: without these very words the index of active turns is not used, and all ended ones are read.
    return and_(IS_ACTIVE, RESPONSE.c.status == Status.QUEUED)


def _running() -> ColumnElement[bool]:
    return and_(IS_ACTIVE, RESPONSE.c.status == Status.IN_PROGRESS)


def _expired() -> ColumnElement[bool]:
    return and_(_running(), RESPONSE.c.lease_until < database_now())


def _sent_before(seconds: float) -> ColumnElement[bool]:
    sent = RESPONSE.c.dispatched_at
    # One from the future was sent before the clock stepped back.
    return or_(sent.is_(None), sent < database_now() - seconds, sent > database_now() + seconds)


def _older_than(seconds: float) -> ColumnElement[bool]:
    return RESPONSE.c.ended_at < database_now() - seconds


def _lost() -> ColumnElement[bool]:
    return and_(_expired(), RESPONSE.c.ending.is_(None), not_(may_restart()))


def _from_the_future(lease_seconds: float) -> ColumnElement[bool]:
    return and_(_running(), RESPONSE.c.lease_until > database_now() + 2 * lease_seconds)


def _ender_died() -> ColumnElement[bool]:
    return and_(_expired(), RESPONSE.c.ending.is_not(None))


def _over_age(queued_seconds: float, running_seconds: float) -> ColumnElement[bool]:
    waited = and_(_queued(), RESPONSE.c.created_at < database_now() - queued_seconds)
    ran = and_(_running(), RESPONSE.c.ending.is_(None), RESPONSE.c.started_at < database_now() - running_seconds)
    return or_(waited, ran)


def _orphaned() -> ColumnElement[bool]:
    predecessor = RESPONSE.alias("predecessor")
    active = and_(predecessor.c.id == RESPONSE.c.waits_for, text(f"predecessor.{IS_ACTIVE.text}"))
    alone = not_(select(predecessor.c.id).where(active).exists())
    return and_(IS_ACTIVE, RESPONSE.c.waits_for.is_not(None), alone)
