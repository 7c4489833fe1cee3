"""What tables are made of: the names that their constraints get, and columns and indexes that several have."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, MetaData, TextClause, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
METADATA = MetaData(naming_convention=NAMING)


class Row(SQLModel):
    """The base of all tables."""

    metadata = METADATA


def position_column() -> Column[int]:
    """The order in which rows were made."""
    # SQLite counts up by itself only for a column of exactly this type.
    return Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True)


def labels_column() -> Column[Any]:
    """The caller's metadata, whose own name SQLAlchemy keeps for itself: the one document that queries look into."""
    document = JSON().with_variant(JSONB(), "postgresql")
    return Column("metadata", document, nullable=False, server_default=text("'{}'"))


def partial_index(name: str, *columns: str, where: TextClause) -> Index:
    """An index of the rows for which `where` is true."""
    return Index(name, *columns, postgresql_where=where, sqlite_where=where)
