"""Whether one more turn is taken in: asked before it is made, in the transaction that makes it."""

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, exists, select

from shared import clock
from shared.core.turn_status import Status
from shared.errors import Limit, RateLimited
from shared.store.owner_filter import CALLER, owned
from shared.store.shares import ROOM
from shared.store.tables import IS_ACTIVE, RESPONSE

_TRY_AGAIN_SECONDS = 5
_FRESH_SECONDS = 1.0


class Admission:
    """The limits of the queue, in all and of one owner, and an owner's share of the workers.

    An owner's queue is counted for each of its turns, the whole one once a second: else each turn of a small owner
    would walk the long queue of another.
    """

    def __init__(self, queued: int, queued_per_owner: int, owner_share: int) -> None:
        self._queued = queued
        self._of_owner = {"share": owner_share, "before_last": queued_per_owner - 1}
        self._full, self._known_until = False, 0.0

    def admit(self, connection: Connection, owner: str) -> bool:
        """Whether there is room for one more turn in the owner's share; raises RateLimited when none may be queued."""
        found = connection.execute(_LOOK, self._of_owner | {"caller": owner}).one()
        if found.full:
            raise _refused("Too many of your turns are queued.", Limit.QUEUED_TURNS_PER_OWNER)
        if self._is_full(connection):
            raise _refused("Too many turns are queued on this server.", Limit.QUEUED_TURNS)
        return bool(found.room > 0)

    def _is_full(self, connection: Connection) -> bool:
        if clock.monotonic() >= self._known_until:
            self._full = bool(connection.execute(_FULL, {"before_last": self._queued - 1}).scalar_one())
            self._known_until = clock.monotonic() + _FRESH_SECONDS
        return self._full


def _refused(text: str, limit: Limit) -> RateLimited:
    return RateLimited(f"{text} Try again later.", _TRY_AGAIN_SECONDS, limit)


def _last_that_fits(*some: ColumnElement[bool]) -> Select[tuple[str]]:
    # Walks an index, and only as far as the limit.
    queued = select(RESPONSE.c.status).where(RESPONSE.c.status == Status.QUEUED, IS_ACTIVE, *some)
    return queued.limit(1).offset(bindparam("before_last", type_=Integer))


_LOOK = select(ROOM.label("room"), exists(_last_that_fits(owned(RESPONSE, CALLER))).label("full"))
_FULL = select(exists(_last_that_fits()))
