"""Erasing all of one owner, in steps that each stand alone: what is left when one fails, the next run erases."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, select, update

from shared.store import conversations, responses
from shared.store.database_clock import database_now
from shared.store.owner_filter import owned
from shared.store.tables import API_KEY, CONVERSATION, IDEMPOTENCY, RESPONSE, WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT

NOBODY = ""
"""Whose the keys of an erased owner are."""


def close_keys(connection: Connection, owner: str) -> int:
    """Make the owner's keys worthless; how many of them were good."""
    good = (owned(API_KEY, owner), API_KEY.c.revoked_at.is_(None))
    return connection.execute(update(API_KEY).where(*good).values(revoked_at=database_now())).rowcount


def forget_keys(connection: Connection, owner: str) -> None:
    """Take all but the prefix from the owner's keys, which are revoked.

    The rows stay: a server whose last key was erased would be open to everyone, and a bootstrap key would be let in
    again.
    """
    nothing = {"owner": NOBODY, "digest": "", "models": None, "admin": False}
    connection.execute(update(API_KEY).where(owned(API_KEY, owner)).values(nothing))


def forget_webhooks(connection: Connection, owner: str) -> None:
    """Erase endpoints, and what was to be sent to them."""
    mine = select(WEBHOOK_ENDPOINT.c.id).where(owned(WEBHOOK_ENDPOINT, owner))
    connection.execute(delete(WEBHOOK_DELIVERY).where(WEBHOOK_DELIVERY.c.endpoint_id.in_(mine)))
    connection.execute(delete(WEBHOOK_ENDPOINT).where(owned(WEBHOOK_ENDPOINT, owner)))


def forget_idempotency_keys(connection: Connection, owner: str) -> None:
    """Erase what the owner's idempotency keys have made."""
    connection.execute(delete(IDEMPOTENCY).where(owned(IDEMPOTENCY, owner)))


def erase_conversation(connection: Connection, owner: str) -> bool:
    """Erase one of the owner's conversations; False when there is none left."""
    one = select(CONVERSATION.c.id).where(owned(CONVERSATION, owner)).limit(1)
    conversation_id = connection.execute(one).scalar()
    return conversation_id is not None and conversations.remove(connection, owner, conversation_id)


def some_responses(connection: Connection, owner: str, limit: int) -> dict[str, int]:
    """Some of the owner's responses, with how many attempts each may have had."""
    columns = (RESPONSE.c.id, RESPONSE.c.attempt)
    some = select(*columns).where(owned(RESPONSE, owner)).order_by(RESPONSE.c.position).limit(limit)
    return {row.id: row.attempt for row in connection.execute(some)}


def erase_responses(connection: Connection, some: Mapping[str, int]) -> None:
    """Erase these, in whatever state: whoever still writes to one finds it lost."""
    responses.erase(connection, list(some))
