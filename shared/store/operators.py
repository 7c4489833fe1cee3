"""What operators ask, of any owner's turns. No request of an owner comes here."""

from sqlalchemy import Connection, func, select

from shared.core.turn import Turn
from shared.store.database_clock import database_now
from shared.store.owner_filter import owned
from shared.store.rows import TURN_COLUMNS, to_turn
from shared.store.tables import CONVERSATION_LABEL, IS_ACTIVE, METADATA, RESPONSE, RESPONSE_LABEL


def turn(connection: Connection, response_id: str) -> Turn | None:
    """A turn, whoever owns it."""
    row = connection.execute(select(*TURN_COLUMNS).where(RESPONSE.c.id == response_id)).first()
    return to_turn(row) if row else None


def active(connection: Connection, owner: str, limit: int) -> list[Turn]:
    """An owner's turns that wait or run, newest first: ended in this order, none of them makes another begin."""
    statement = select(*TURN_COLUMNS).where(owned(RESPONSE, owner), IS_ACTIVE)
    rows = connection.execute(statement.order_by(RESPONSE.c.position.desc()).limit(limit))
    return [to_turn(row) for row in rows]


def count_purgeable(connection: Connection, older_than_seconds: float) -> int:
    """How many ended responses are older than that, and so is everything that goes on from them."""
    cut = database_now() - older_than_seconds
    follower, parent = RESPONSE.alias("follower"), RESPONSE.alias("parent")
    followed = select(follower.c.previous_response_id.label("id")).where(
        follower.c.previous_response_id.is_not(None), (follower.c.ended_at >= cut) | follower.c.ended_at.is_(None)
    )
    kept = followed.cte("kept", recursive=True)
    above = select(parent.c.previous_response_id).join(kept, kept.c.id == parent.c.id)
    kept = kept.union(above.where(parent.c.previous_response_id.is_not(None)))
    statement = select(func.count()).where(RESPONSE.c.ended_at < cut, RESPONSE.c.id.not_in(select(kept.c.id)))
    return connection.execute(statement).scalar_one()


def holdings(connection: Connection, owner: str) -> dict[str, int]:
    """How many rows of this owner each table has, of those that have some. Labels are part of what carries them."""
    counts: dict[str, int] = {}
    for table in METADATA.sorted_tables:
        if "owner" in table.c and table not in (CONVERSATION_LABEL, RESPONSE_LABEL):
            found = connection.execute(select(func.count()).select_from(table).where(owned(table, owner))).scalar_one()
            counts |= {table.name: found} if found else {}
    return counts
