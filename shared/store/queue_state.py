"""How much work there is: queued and running turns by tier, for metrics and operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, Row, case, func, null, select

from shared.core.service_tier import Tier, tier_of
from shared.core.turn_status import Status
from shared.store.database_clock import database_now
from shared.store.tables import IS_ACTIVE, RESPONSE


class Waiting(StrEnum):
    """What a queued turn waits for."""

    WORKER = "worker"
    SHARE = "share"
    """Room in its owner's share of the workers."""
    TURN = "turn"
    """The end of the turn before it."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The turns of one tier that wait for the same. `oldest_seconds`: for how long the first of them does; 0 if none.

    For a worker a turn waits since its message was sent, for the rest since it was made.
    """

    turns: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TierState:
    """The active turns of one tier."""

    running: int
    queued: Mapping[Waiting, Queued]

    @property
    def depth(self) -> int:
        """How many are queued, whatever they wait for."""
        return sum(one.turns for one in self.queued.values())


_WAITS_FOR = case(
    (RESPONSE.c.status == Status.IN_PROGRESS, null()),
    (RESPONSE.c.waits_for.is_not(None), Waiting.TURN.value),
    (RESPONSE.c.dispatched_at.is_(None), Waiting.SHARE.value),
    else_=Waiting.WORKER.value,
)
# A message is sent once there is nothing left to wait for but a worker.
_SINCE = func.coalesce(RESPONSE.c.dispatched_at, RESPONSE.c.created_at)
_STATE = (
    select(
        RESPONSE.c.service_tier,
        _WAITS_FOR.label("waiting"),
        func.count().label("turns"),
        (database_now() - func.min(_SINCE)).label("age"),
    )
    .where(IS_ACTIVE)
    .group_by("service_tier", "waiting")
)


def load(connection: Connection) -> dict[Tier, TierState]:
    """The state of every tier, in one statement that walks the active turns."""
    rows = connection.execute(_STATE).all()
    return {tier: _state([row for row in rows if tier_of(row.service_tier) is tier]) for tier in Tier}


def _state(rows: list[Row[str, str | None, int, float]]) -> TierState:
    running = sum(row.turns for row in rows if row.waiting is None)
    return TierState(
        running, {waiting: _queued([row for row in rows if row.waiting == waiting]) for waiting in Waiting}
    )


def _queued(rows: list[Row[str, str | None, int, float]]) -> Queued:
    # An API process' clock may be a little ahead of the database's.
    oldest_seconds = max((row.age for row in rows), default=0.0)
    return Queued(sum(row.turns for row in rows), max(0.0, oldest_seconds))
