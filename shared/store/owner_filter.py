"""The one owner filter: every statement that serves a request goes through it."""

from sqlalchemy import ColumnElement, and_, or_

from shared.store.tables import RESPONSE


def owned_by(owner: str) -> ColumnElement[bool]:
    """Rows of this owner."""
    return RESPONSE.c.owner == owner


def readable(owner: str) -> ColumnElement[bool]:
    """What an owner may read by id: stored responses, and background ones until they are erased."""
    return and_(owned_by(owner), or_(RESPONSE.c.store, RESPONSE.c.background))
