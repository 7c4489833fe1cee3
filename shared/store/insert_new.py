"""INSERT for rows that another transaction may be inserting too."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_Insert = postgresql.Insert | sqlite.Insert
_INSERT: dict[str, Callable[[Table], _Insert]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def insert_new(connection: Connection, table: Table, **values: Any) -> _Insert:
    """An INSERT that leaves a row with the same key as it is; a transaction that holds that key is waited for."""
    return _INSERT[connection.dialect.name](table).values(**values).on_conflict_do_nothing()
