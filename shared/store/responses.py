"""Responses for the requests of one owner. Another owner's, a deleted and an unknown id all read as None."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)

from shared.core.turn import Turn
from shared.core.turn_status import ACTIVE, TERMINAL, Status
from shared.store import filters
from shared.store.conversations import hold_items
from shared.store.database_clock import database_now
from shared.store.owner_filter import CALLER, owned, readable
from shared.store.pages import Listing, Page, PageRequest
from shared.store.rows import TURN_COLUMNS, to_turn
from shared.store.tables import ITEM, RESPONSE

_ASKED = RESPONSE.c.id == bindparam("asked")
_GET = select(*TURN_COLUMNS, RESPONSE.c.body).where(_ASKED, readable(CALLER))
_GET_TURN = select(*TURN_COLUMNS).where(_ASKED, owned(RESPONSE, CALLER))
_GET_BODY = select(RESPONSE.c.body).where(_ASKED, owned(RESPONSE, CALLER))
_UNSEEN = (_ASKED, readable(CALLER), RESPONSE.c.status.in_(ACTIVE), ~RESPONSE.c.observed)
_OBSERVE = update(RESPONSE).where(*_UNSEEN).values(observed=True)
_LOOK = select(RESPONSE.c.id, RESPONSE.c.status, RESPONSE.c.attempt, RESPONSE.c.ending).where(
    RESPONSE.c.id.in_(bindparam("asked", expanding=True))
)
_STATUS = select(func.coalesce(RESPONSE.c.ending, RESPONSE.c.status)).where(_ASKED)


def _line() -> Select[int]:
    columns = (RESPONSE.c.id, RESPONSE.c.waits_for)
    line = select(*columns).where(_ASKED).cte("line", recursive=True)
    line = line.union_all(select(*columns).where(RESPONSE.c.id == line.c.waits_for))
    return select(func.count()).select_from(line)


_LINE = _line()


def _hold() -> Update:
    columns = (RESPONSE.c.id, RESPONSE.c.previous_response_id)
    held = select(*columns).where(RESPONSE.c.id.in_(bindparam("asked", expanding=True))).cte("held", recursive=True)
    held = held.union(select(*columns).where(RESPONSE.c.id == held.c.previous_response_id))
    until = database_now() + bindparam("seconds", type_=Double)
    sooner = (RESPONSE.c.id.in_(select(held.c.id)), RESPONSE.c.erase_at < until)
    return update(RESPONSE).where(*sooner).values(erase_at=until)


_HOLD = _hold()


@dataclass(frozen=True, slots=True)
class Stored:
    """A turn and, once it has ended, its Response as JSON text."""

    turn: Turn
    body: str | None


def get(connection: Connection, owner: str, response_id: str) -> Stored | None:
    """A response the owner may read."""
    row = connection.execute(_GET, {"asked": response_id, "caller": owner}).first()
    return Stored(to_turn(row), row.body) if row else None


def get_turn(connection: Connection, owner: str, response_id: str) -> Turn | None:
    """A turn, stored or not: for those who answer the request that made it."""
    row = connection.execute(_GET_TURN, {"asked": response_id, "caller": owner}).first()
    return to_turn(row) if row else None


def get_body(connection: Connection, owner: str, response_id: str) -> str | None:
    """An ended response as JSON text, stored or not: for those who answer the request that made it."""
    body: str | None = connection.execute(_GET_BODY, {"asked": response_id, "caller": owner}).scalar()
    return body


def remove(connection: Connection, owner: str, response_id: str) -> bool:
    """Erase an ended response with its items and journal; False when there is none, or it has not ended.

    Items that are in a conversation stay there.
    """
    ended = (RESPONSE.c.id == response_id, readable(owner), RESPONSE.c.status.in_(TERMINAL))
    if connection.execute(select(RESPONSE.c.position).where(*ended).with_for_update()).first() is None:
        return False
    erase(connection, [response_id])
    return True


def erase(connection: Connection, response_ids: Sequence[str]) -> None:
    """Erase these responses, whoever owns them, with all that is theirs alone."""
    shared = and_(ITEM.c.response_id.in_(response_ids), ITEM.c.conversation_id.is_not(None))
    hold_items(connection, shared)
    connection.execute(update(ITEM).where(shared).values(response_id=None))
    connection.execute(delete(RESPONSE).where(RESPONSE.c.id.in_(response_ids)))


def page(
    connection: Connection,
    owner: str,
    request: PageRequest,
    *,
    labels: dict[str, str],
    status: str | None,
    conversation_id: str | None,
) -> Page[Stored]:
    """The owner's stored responses that match everything given."""
    belongs = and_(owned(RESPONSE, owner), RESPONSE.c.store)
    wanted = filters.of_responses(owner, labels, status, conversation_id)
    columns, index = (*TURN_COLUMNS, RESPONSE.c.body), "ix_response_owner_position"
    listing = Listing(columns, belongs, RESPONSE.c.id, RESPONSE.c.position, index, wanted)
    return listing.page(connection, request, lambda row: Stored(to_turn(row), row.body))


def turns_ahead(connection: Connection, response_id: str) -> int:
    """How many turns must end before this one can be dispatched."""
    return connection.execute(_LINE, {"asked": response_id}).scalar_one() - 1


def stay(connection: Connection, response_ids: Sequence[str], *, seconds: float) -> None:
    """Say that the callers of these turns are there: they are not given up for so long."""
    mine = (RESPONSE.c.id.in_(response_ids), RESPONSE.c.status.in_(ACTIVE))
    connection.execute(update(RESPONSE).where(*mine).values(abandoned_at=database_now() + seconds))


def hold(connection: Connection, response_ids: Sequence[str], *, seconds: float) -> None:
    """Keep these turns and all they go on from, as far as they have ended, from being erased for so long."""
    connection.execute(_HOLD, {"asked": response_ids, "seconds": seconds})


def observe(connection: Connection, owner: str, response_id: str) -> None:
    """Remember that somebody reads this turn's events: from now on its output cannot be started anew.

    To be called before the turn is read, or what is read may be of an attempt that is lost in between.
    """
    connection.execute(_OBSERVE, {"asked": response_id, "caller": owner})


@dataclass(frozen=True, slots=True)
class Sight:
    """What a subscriber's look at a row tells: the status, and which attempt's events count."""

    status: Status
    work: int

    @property
    def terminal(self) -> bool:
        """Whether the turn has ended."""
        return self.status in TERMINAL


def look(connection: Connection, response_ids: Sequence[str]) -> dict[str, Sight]:
    """The state of many turns at once; missing ones were deleted."""
    rows = connection.execute(_LOOK, {"asked": response_ids})
    return {row.id: Sight(Status(row.status), max(1, row.attempt - (row.ending is not None))) for row in rows}


def status(connection: Connection, response_id: str) -> Status | None:
    """What a turn is, or is being made from outside; None when it was deleted."""
    found: str | None = connection.execute(_STATUS, {"asked": response_id}).scalar()
    return Status(found) if found else None


def is_due() -> ColumnElement[bool]:
    """A turn that was not to be stored and whose time is up."""
    return RESPONSE.c.erase_at < database_now()


def erase_due(connection: Connection, *, limit: int) -> int:
    """Erase some of these; how many. What somebody holds is left for the next time."""
    due = filters.pinned(select(RESPONSE.c.id).where(is_due()), RESPONSE, "ix_response_erase_at")
    free = due.order_by(RESPONSE.c.erase_at).limit(limit).with_for_update(skip_locked=True)
    response_ids = connection.execute(free).scalars().all()
    return connection.execute(delete(RESPONSE).where(RESPONSE.c.id.in_(response_ids))).rowcount
