"""An owner's share of the workers: how many of its turns are in the broker or running; the others wait here.

A turn that waits for its predecessor has no part in it: what counts can always go on by itself, so nothing blocks.
Counted without a lock: owners who do much at one moment may be a few turns above their share, or below it until the
next sweep.
"""

from sqlalchemy import ColumnElement, Connection, Integer, Text, bindparam, case, exists, func, not_, select, update

from shared.core.turn import Turn
from shared.store.database_clock import database_now
from shared.store.owner_filter import CALLER, owned
from shared.store.rows import TURN_COLUMNS, to_turn
from shared.store.tables import API_KEY, IS_ACTIVE, IS_HELD_BACK, RESPONSE

_UNLIMITED = 2**31 - 1

_SHARE = bindparam("share", type_=Integer)


def _room() -> ColumnElement[int]:
    # Without a second owner there is nobody to be fair to.
    others = exists().where(not_(owned(API_KEY, CALLER)), API_KEY.c.revoked_at.is_(None))
    # `> 0` rather than IS NOT NULL: both databases then look only at this part of the index.
    sent = select(RESPONSE.c.owner).where(owned(RESPONSE, CALLER), RESPONSE.c.dispatched_at > 0, IS_ACTIVE)
    count = select(func.count()).select_from(sent.limit(_SHARE).subquery()).scalar_subquery()
    return case((others, _SHARE - count), else_=_UNLIMITED)


ROOM = _room()
"""For how many more turns of the caller there is room in its share."""

_ROOM = select(ROOM)
_WAITS = exists().where(owned(RESPONSE, CALLER), IS_HELD_BACK)
_FOLLOWED = exists().where(RESPONSE.c.waits_for == bindparam("ended"))
_LOOK = select(_FOLLOWED.label("followed"), _WAITS.label("waits"))
_RELEASE = update(RESPONSE).where(RESPONSE.c.waits_for == bindparam("ended")).values(waits_for=None)
_OLDEST = (
    select(RESPONSE.c.id)
    .where(owned(RESPONSE, CALLER), IS_HELD_BACK)
    .order_by(RESPONSE.c.position)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_DISPATCH = (
    update(RESPONSE)
    .where(RESPONSE.c.id.in_(_OLDEST))
    .values(dispatched_at=database_now())
    .returning(*TURN_COLUMNS, RESPONSE.c.position)
)
_NEXT_OWNER = (
    select(RESPONSE.c.owner)
    .where(RESPONSE.c.owner > bindparam("after", type_=Text), IS_HELD_BACK)
    .order_by(RESPONSE.c.owner)
    .limit(1)
)


def pass_on(connection: Connection, ended: Turn, share: int) -> list[Turn]:
    """Let go the turns that waited for this end, and give the room it leaves to its owner's oldest; who is to be sent.

    In the terminal transaction, so that none is forgotten.
    """
    found = connection.execute(_LOOK, {"ended": ended.id, "caller": ended.owner}).one()
    if found.followed:
        connection.execute(_RELEASE, {"ended": ended.id})
    return dispatch(connection, ended.owner, share) if found.followed or found.waits else []


def dispatch(connection: Connection, owner: str, share: int) -> list[Turn]:
    """Mark as many of the owner's oldest ready turns as there is room for; the caller sends their messages."""
    room = connection.execute(_ROOM, {"caller": owner, "share": share}).scalar_one()
    rows = connection.execute(_DISPATCH, {"caller": owner, "most": room}).all() if room else ()
    return [to_turn(row) for row in sorted(rows, key=lambda row: row.position)]


def dispatch_all(connection: Connection, share: int) -> list[Turn]:
    """The same for every owner of whom a turn waits."""
    turns: list[Turn] = []
    owner = ""
    while found := connection.execute(_NEXT_OWNER, {"after": owner}).scalar():
        owner = found
        turns += dispatch(connection, owner, share)
    return turns
