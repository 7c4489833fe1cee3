"""Filters of listings. Each is a range of an index that is in the listing's order: a page reads what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, exists, func, select

from shared.store.tables import CONVERSATION_LABEL, RESPONSE, RESPONSE_LABEL

# Which of several filters lets through the fewest is told by counting so far.
_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Filter:
    """The entries whose rows in `table` have this property. `index`: where they stand in the order of `position`."""

    table: FromClause
    has: ColumnElement[bool]
    index: str | None = None

    def positions(self, others: Sequence["Filter"] = ()) -> Select[int]:
        """The positions of such entries, of those that have all other properties too."""
        position = self.table.c.position
        found = select(position).where(self.has, *(other.is_at(position) for other in others))
        return pinned(found, self.table, self.index)

    def is_at(self, position: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether the entry at this position is one: asked there, never by a list of all."""
        # OFFSET 0 keeps Postgres from joining the two instead.
        return exists(select(self.table.c.position).where(self.has, self.table.c.position == position).offset(0))


def by_status(owner: str, status: str) -> Filter:
    """Responses with this status."""
    row = RESPONSE.alias()
    return Filter(row, and_(row.c.owner == owner, row.c.status == status), "ix_response_owner_status")


def by_conversation(conversation_id: str) -> Filter:
    """Responses that were made in this conversation, whoever owns them."""
    row = RESPONSE.alias()
    return Filter(row, row.c.conversation_id == conversation_id, "ix_response_in_conversation")


def by_label(table: FromClause, owner: str, key: str, value: str) -> Filter:
    """Entries whose metadata has this key with this value."""
    row = table.alias()
    return Filter(row, and_(row.c.owner == owner, row.c.key == key, row.c.value == value))


def of_responses(owner: str, labels: dict[str, str], status: str | None, conversation_id: str | None) -> list[Filter]:
    """All that is given."""
    filters = [by_label(RESPONSE_LABEL, owner, key, value) for key, value in labels.items()]
    if status is not None:
        filters.append(by_status(owner, status))
    if conversation_id is not None:
        filters.append(by_conversation(conversation_id))
    return filters


def of_conversations(owner: str, labels: dict[str, str]) -> list[Filter]:
    """All that is given."""
    return [by_label(CONVERSATION_LABEL, owner, key, value) for key, value in labels.items()]


def rarest_first(connection: Connection, filters: Sequence[Filter]) -> list[Filter]:
    """The same, beginning with one that lets few through."""

    def count(one: Filter) -> int:
        some = one.positions().order_by(one.table.c.position).limit(_COUNTED).subquery()
        return connection.execute(select(func.count()).select_from(some)).scalar_one()

    return sorted(filters, key=count) if len(filters) > 1 else list(filters)


def pinned(statement: Select[int], table: FromClause, index: str | None) -> Select[int]:
    """The statement, reading the table by this index: SQLite leaves it once it has statistics of few, large owners."""
    return statement.with_hint(table, f"INDEXED BY {index}", "sqlite") if index else statement
