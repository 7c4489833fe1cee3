"""Whether one more turn is taken in: asked before it is made, in the transaction that makes it."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Integer, bindparam, exists, select

from shared.core.turn_status import Status
from shared.errors import Limit, RateLimited
from shared.store.owner_filter import CALLER, owned
from shared.store.shares import ROOM
from shared.store.tables import IS_ACTIVE, RESPONSE

_TRY_AGAIN_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """How many turns may be queued, in all and of one owner; how many of one owner may be in the broker or running."""

    queued: int
    queued_per_owner: int
    owner_share: int


def admit(connection: Connection, owner: str, limits: Limits) -> bool:
    """Whether there is room for one more turn in the owner's share; raises RateLimited when none may be queued."""
    given = {
        "caller": owner,
        "share": limits.owner_share,
        "before_last": limits.queued - 1,
        "before_last_of_owner": limits.queued_per_owner - 1,
    }
    found = connection.execute(_LOOK, given).one()
    if found.owner_is_full:
        raise _refused("Too many of your turns are queued.", Limit.QUEUED_TURNS_PER_OWNER)
    if found.is_full:
        raise _refused("Too many turns are queued on this server.", Limit.QUEUED_TURNS)
    return bool(found.room > 0)


def _refused(text: str, limit: Limit) -> RateLimited:
    return RateLimited(f"{text} Try again later.", _TRY_AGAIN_SECONDS, limit)


def _full(before_last: str, *some: ColumnElement[bool]) -> ColumnElement[bool]:
    # Walks an index, and only as far as the limit.
    queued = select(RESPONSE.c.status).where(RESPONSE.c.status == Status.QUEUED, IS_ACTIVE, *some)
    return exists(queued.limit(1).offset(bindparam(before_last, type_=Integer)))


_LOOK = select(
    ROOM.label("room"),
    _full("before_last_of_owner", owned(RESPONSE, CALLER)).label("owner_is_full"),
    _full("before_last").label("is_full"),
)
