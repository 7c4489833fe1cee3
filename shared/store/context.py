"""What a turn's model is told: read at claim, so that it holds whatever came before."""

from sqlalchemy import Connection

from shared.core.context import Context
from shared.core.turn import Turn
from shared.store import conversation_items, conversations, items, references
from shared.wire.items import Item


def load(connection: Connection, turn: Turn) -> Context | None:
    """The turn's context; None when its conversation or a link of its chain is gone."""
    before = _before(connection, turn)
    if before is None:
        return None
    own = items.own(connection, turn.owner, turn.id)
    return Context(*(references.resolve(connection, turn.owner, part) for part in (before, own)))


def _before(connection: Connection, turn: Turn) -> list[Item] | None:
    if turn.previous_response_id is not None:
        return items.history(connection, turn.owner, turn.previous_response_id)
    if turn.conversation_id is None:
        return []
    if conversations.get(connection, turn.owner, turn.conversation_id) is None:
        return None
    return conversation_items.history(connection, turn.owner, turn.conversation_id)
