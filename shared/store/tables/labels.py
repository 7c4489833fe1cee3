"""Metadata by key and value, in the order of what carries it: what listings are filtered by.

Written by triggers, with the rows of the tables whose metadata it is: no code has to think of it.
"""

from sqlalchemy import BigInteger, Table
from sqlmodel import Field

from shared.store.tables.columns import Row

_AS_INDEX = {"sqlite_with_rowid": False}


class ResponseLabelRow(Row, table=True):
    """One key of one response."""

    __tablename__ = "response_label"
    __table_args__ = (_AS_INDEX,)

    owner: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)


class ConversationLabelRow(Row, table=True):
    """One key of one conversation."""

    __tablename__ = "conversation_label"
    __table_args__ = (_AS_INDEX,)

    owner: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)


RESPONSE_LABEL: Table = ResponseLabelRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
CONVERSATION_LABEL: Table = ConversationLabelRow.__table__  # type: ignore[attr-defined]
