"""How a turn comes into being: with its place in the order of its conversation or its parent's branch."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Double, Select, bindparam, insert, select

from shared.core.turn import Turn
from shared.core.turn_status import ACTIVE, Status
from shared.errors import conversation_not_found, previous_response_not_found
from shared.store import conversations
from shared.store.database_clock import database_now
from shared.store.items import chain_is_whole, insert_items
from shared.store.owner_filter import CALLER, owned, readable
from shared.store.rows import to_text
from shared.store.tables import IS_ACTIVE, RESPONSE
from shared.wire.items import Item

_INSERT_WAITING = insert(RESPONSE).values(abandoned_at=database_now() + bindparam("abandoned_after", type_=Double))
_INSERT_READY = _INSERT_WAITING.values(dispatched_at=database_now())
_LAST_ACTIVE = (
    select(RESPONSE.c.id)
    .where(RESPONSE.c.conversation_id == bindparam("conversation"), IS_ACTIVE)
    .order_by(RESPONSE.c.position.desc())
    .limit(1)
)


def _lock_parent(visible: ColumnElement[bool]) -> Select[str]:
    # The lock keeps the parent from ending between this look and our INSERT: its end releases those who wait.
    parent = select(RESPONSE.c.status).where(RESPONSE.c.id == bindparam("parent"), visible)
    return parent.with_for_update(read=True)


_LOCK_PARENT = _lock_parent(readable(CALLER))
_LOCK_HELD_PARENT = _lock_parent(owned(RESPONSE, CALLER))


def create(
    connection: Connection,
    owner: str,
    turn: Turn,
    items: Sequence[Item],
    *,
    abandoned_after_seconds: float | None = None,
    parent_held: bool = False,
    held_back: bool = False,
) -> str | None:
    """Store a queued turn with its input; the id of the turn it waits for, None when it need wait for none.

    A turn waits for its parent, or for the turn before it in its conversation. Raises RequestError when the
    conversation, the parent or a link before it is gone. `parent_held`: the parent need not be a stored one.
    `held_back`: there is no room for it in its owner's share.
    """
    waits_for = _predecessor(connection, owner, turn, _LOCK_HELD_PARENT if parent_held else _LOCK_PARENT)
    row = {
        "id": turn.id,
        "owner": owner,
        "status": Status.QUEUED,
        "attempt": 0,
        "observed": turn.stream,
        "output_started": False,
        "side_effects": False,
        "waits_for": waits_for,
        "waiter": turn.waiter,
        "abandoned_after": abandoned_after_seconds,
        "created_at": turn.created_at,
        "background": turn.background,
        "stream": turn.stream,
        "store": turn.store,
        "previous_response_id": turn.previous_response_id,
        "conversation_id": turn.conversation_id,
        "metadata": turn.request.get("metadata", {}),
        "service_tier": turn.request.get("service_tier", "auto"),
        "request": to_text(turn.request),
        "ignored": to_text(turn.ignored),
    }
    connection.execute(_INSERT_WAITING if waits_for or held_back else _INSERT_READY, row)
    insert_items(connection, owner, turn.id, "input", items)
    return waits_for


def _predecessor(connection: Connection, owner: str, turn: Turn, lock_parent: Select[str]) -> str | None:
    if turn.conversation_id is not None:
        return _last_active(connection, owner, turn.conversation_id)
    if turn.previous_response_id is not None:
        return _active_parent(connection, owner, turn.previous_response_id, lock_parent)
    return None


def _last_active(connection: Connection, owner: str, conversation_id: str) -> str | None:
    # Held until the new turn is in: turns of a conversation are made and ended one after the other.
    if not conversations.lock(connection, owner, conversation_id):
        raise conversation_not_found(conversation_id, "conversation")
    last: str | None = connection.execute(_LAST_ACTIVE, {"conversation": conversation_id}).scalar()
    return last


def _active_parent(connection: Connection, owner: str, parent_id: str, lock_parent: Select[str]) -> str | None:
    status = connection.execute(lock_parent, {"parent": parent_id, "caller": owner}).scalar()
    if status is None or not chain_is_whole(connection, owner, parent_id):
        raise previous_response_not_found(parent_id)
    return parent_id if status in ACTIVE else None
