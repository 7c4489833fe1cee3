"""Retention: finding old responses, and erasing them. A chain is as old as its youngest response.

A search goes once over what is old, in the order in which it ended. What somebody goes on from is passed over there; it
is found from below, when the last of those who go on from it is erased, and not looked at again meanwhile.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Exists,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    not_,
    select,
    tuple_,
)

from shared.store import responses
from shared.store.database_clock import database_now
from shared.store.filters import pinned
from shared.store.tables import RESPONSE

Place = tuple[float, int]
"""Where a search stands: at the response that ended then and has this position."""

START: Place = (0.0, 0)

_OTHER = RESPONSE.alias("other")
_IS_OLD = RESPONSE.c.ended_at < database_now() - bindparam("age", type_=Double)
_ASKED = RESPONSE.c.id.in_(bindparam("asked", expanding=True))


@dataclass(frozen=True, slots=True)
class Found:
    """Old responses that nobody goes on from, and where the search stands. `over`: there was nothing beyond."""

    ids: list[str]
    place: Place
    over: bool


@dataclass(frozen=True, slots=True)
class Erased:
    """How many responses are gone, and those they went on from: nobody may go on from these any more."""

    count: int
    parents: set[str]


def _followed(*some: ColumnElement[bool]) -> Exists:
    # Asked of one response after the other. OFFSET 0 keeps Postgres from reading all of them at once.
    return exists(select(_OTHER.c.id).where(_OTHER.c.previous_response_id == RESPONSE.c.id, *some).offset(0))


def _find() -> Select[Any]:
    end = (RESPONSE.c.ended_at, RESPONSE.c.position)
    since, position = bindparam("since", type_=Double), bindparam("position", type_=Integer)
    beyond = and_(RESPONSE.c.ended_at >= since, tuple_(*end) > tuple_(since, position))
    statement = select(RESPONSE.c.id, *end, _followed().label("followed")).where(_IS_OLD, beyond)
    return pinned(statement, RESPONSE, "ix_response_ended").order_by(*end).limit(bindparam("most", type_=Integer))


def _climb() -> Select[tuple[str, str | None]]:
    """These responses and what they go on from, as far as it is old and has no other follower; the nearest first."""
    link = (RESPONSE.c.id, RESPONSE.c.previous_response_id)
    chain = select(*link).where(_ASKED, _IS_OLD).cte("chain", recursive=True)
    alone = not_(_followed(_OTHER.c.id != chain.c.id))
    chain = chain.union_all(select(*link).where(RESPONSE.c.id == chain.c.previous_response_id, _IS_OLD, alone))
    return select(chain.c.id, chain.c.previous_response_id).limit(bindparam("most", type_=Integer))


_FIND = _find()
_CLIMB = _climb()
_HOLD = select(RESPONSE.c.id).where(_ASKED).with_for_update(skip_locked=True)
_STILL_FOLLOWED = select(RESPONSE.c.id).where(
    _ASKED, _followed(_OTHER.c.id.not_in(bindparam("asked_too", expanding=True)))
)


def find(connection: Connection, place: Place, *, older_than_seconds: float, limit: int) -> Found:
    """Look at so many old responses beyond a place."""
    given = {"since": place[0], "position": place[1], "age": older_than_seconds, "most": limit}
    rows = connection.execute(_FIND, given).all()
    last = (rows[-1].ended_at, rows[-1].position) if rows else place
    return Found([row.id for row in rows if not row.followed], last, len(rows) < limit)


def erase(connection: Connection, chosen: Collection[str], *, older_than_seconds: float, limit: int) -> Erased:
    """Erase these and the chains above them, as far as they are old, nobody goes on from them and nobody holds them.

    At most `limit` in all.
    """
    climbed = connection.execute(_CLIMB, {"asked": list(chosen), "age": older_than_seconds, "most": limit}).all()
    parents: dict[str, str | None] = {row.id: row.previous_response_id for row in climbed}
    held = connection.execute(_HOLD, {"asked": list(parents)}).scalars().all()
    # Asked now that nobody can go on from them: somebody may have, just before they were held.
    followed = connection.execute(_STILL_FOLLOWED, {"asked": held, "asked_too": held}).scalars().all()
    free = set(held) - _above(followed, parents)
    responses.erase(connection, sorted(free))
    return Erased(len(free), {above for one in free if (above := parents[one]) is not None} - free)


def _above(followed: Sequence[str], parents: dict[str, str | None]) -> set[str]:
    """These, and what they go on from."""
    kept: set[str] = set()
    for one in followed:
        above: str | None = one
        while above is not None and above not in kept:
            kept.add(above)
            above = parents.get(above)
    return kept
