"""What a migration may not do to code of the revision before it, which runs on while an upgrade is rolled out."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Float,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

_WIDER = {("INTEGER", "BIGINT"), ("VARCHAR", "TEXT"), ("FLOAT", "DOUBLE PRECISION")}


def schema_of(connection: Connection) -> MetaData:
    """The tables as they are in the database."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name != "alembic_version")
    return found


def breaches(before: MetaData, after: MetaData) -> list[str]:
    """What would make statements of the code before fail, or mean something else."""
    return [told for table in before.sorted_tables for told in _of_table(table, after.tables.get(table.name))]


def use(connection: Connection, tables: MetaData, number: int) -> None:
    """Write, change and read a row of each table, by all columns that it had then, and take them away again.

    Texts are all the same, so that a reference finds what it points at.
    """
    for table in tables.sorted_tables:
        connection.execute(insert(table).values(_row(table, number)))
    for table in reversed(tables.sorted_tables):
        connection.execute(update(table).values(_row(table, number)))
        assert connection.execute(select(table)).one()
        connection.execute(delete(table))


def _of_table(table: Table, now: Table | None) -> Iterator[str]:
    if now is None:
        yield f"{table.name} is gone"
        return
    for column in table.columns:
        yield from _of_column(column, now.columns.get(column.name))
    for column in now.columns:
        if column.name not in table.columns and not column.nullable and column.server_default is None:
            yield f"{column} is new and wants a value"
    for rule in _rules(now) - _rules(table):
        yield f"{table.name} has a new rule: {rule}"


def _of_column(column: Column[Any], now: Column[Any] | None) -> Iterator[str]:
    if now is None:
        yield f"{column} is gone"
        return
    kinds = (str(column.type), str(now.type))
    if kinds[0] != kinds[1] and kinds not in _WIDER:
        yield f"{column} was {kinds[0]} and is {kinds[1]}"
    if column.nullable and not now.nullable:
        yield f"{column} may no longer be NULL"
    if column.server_default is not None and now.server_default is None and not now.nullable:
        yield f"{column} has lost its default"


def _rules(table: Table) -> set[str]:
    """What rows must obey."""
    told = set()
    for rule in table.constraints:
        columns = ", ".join(sorted(column.name for column in getattr(rule, "columns", ())))
        match rule:
            case PrimaryKeyConstraint() | UniqueConstraint():
                told.add(f"unique ({columns})")
            case ForeignKeyConstraint():
                told.add(f"({columns}) is of {rule.referred_table.name}")
            case CheckConstraint():
                told.add(f"check {rule.sqltext}")
    unique = [index for index in table.indexes if index.unique]
    return told | {f"unique ({', '.join(sorted(column.name for column in index.columns))})" for index in unique}


def _row(table: Table, number: int) -> dict[str, Any]:
    return {column.name: _value(column, number) for column in table.columns}


def _value(column: Column[Any], number: int) -> Any:
    match column.type:
        case Boolean():
            return True
        case Integer():
            return number
        case Float():
            return float(number)
        case LargeBinary():
            return b"x"
        case JSON():
            return {}
    return f"x{number}"
