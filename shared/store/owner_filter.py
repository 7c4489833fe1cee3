"""The one owner filter: every statement that serves a request goes through it."""

from sqlalchemy import BindParameter, ColumnElement, Table, Text, and_, bindparam, or_

from shared.store.tables import RESPONSE

CALLER = bindparam("caller", type_=Text)
"""The owner, in statements that are built once."""


def owned(table: Table, owner: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Rows of this owner."""
    mine: ColumnElement[bool] = table.c.owner == owner
    return mine


def readable(owner: str | BindParameter[str]) -> ColumnElement[bool]:
    """What an owner may read by id: stored responses, and background ones until they are erased."""
    return and_(owned(RESPONSE, owner), or_(RESPONSE.c.store, RESPONSE.c.background))
