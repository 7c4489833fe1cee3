"""Listings by keyset: a page costs the same wherever it is, and never loads what it does not show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, select

from shared.errors import InvalidRequest
from shared.store.filters import Filter, pinned, rarest_first

_AT_MOST = 1_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a listing: at most `limit` entries beyond the one with the id `after`."""

    after: str | None = None
    limit: int = 20
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a listing, and whether there is more beyond it."""

    entries: list[T]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed: the entries' columns, who belongs to it, and the order of their positions, which `index` has.

    `filters` leave out entries for now, such as by a status: a cursor stays good when its entry has changed.
    """

    columns: Sequence[ColumnElement[Any]]
    belongs: ColumnElement[bool]
    id: ColumnElement[str]
    position: Column[int]
    index: str
    filters: Sequence[Filter] = ()

    def page(
        self, connection: Connection, request: PageRequest, entry: Callable[[Row[*tuple[Any, ...]]], T]
    ) -> Page[T]:
        """One page; raises InvalidRequest for a cursor that is not in the listing."""
        cursor = self._cursor(connection, request.after)
        # One row more than asked for tells whether there is more.
        wanted = request.limit + 1
        if self.filters:
            rows = self._filtered(connection, cursor, request.descending, wanted)
        else:
            statement = pinned(select(*self.columns).where(self.belongs), self.position.table, self.index)
            ordered = _beyond(statement, self.position, cursor, request.descending)
            rows = list(connection.execute(ordered.limit(wanted)))
        return Page([entry(row) for row in rows[: request.limit]], len(rows) > request.limit)

    def _cursor(self, connection: Connection, after: str | None) -> int | None:
        if after is None:
            return None
        cursor: int | None = connection.execute(select(self.position).where(self.belongs, self.id == after)).scalar()
        if cursor is None:
            raise InvalidRequest("'after' is not the id of an entry of this list.", "after", "invalid_value")
        return cursor

    def _filtered(self, connection: Connection, cursor: int | None, descending: bool, wanted: int) -> list[Row[Any]]:
        """First where they are, by one filter's index, then the entries: no database can take another way."""
        lead, *others = rarest_first(connection, self.filters)
        positions, rows, asked = lead.positions(others), list[Row[Any]](), wanted
        while True:
            ordered = _beyond(positions, lead.table.c.position, cursor, descending)
            found = connection.execute(ordered.limit(asked)).scalars().all()
            here = select(*self.columns).where(self.belongs, self.position.in_(found))
            rows += connection.execute(here.order_by(_order(self.position, descending))).all() if found else ()
            if len(rows) >= wanted or len(found) < asked:
                return rows[:wanted]
            # Some belong to nobody's listing, such as those that are not stored.
            cursor, asked = found[-1], min(2 * asked, _AT_MOST)


def _beyond(statement: Select[Any], position: ColumnElement[int], cursor: int | None, descending: bool) -> Select[Any]:
    if cursor is not None:
        statement = statement.where(position < cursor if descending else position > cursor)
    return statement.order_by(_order(position, descending))


def _order(position: ColumnElement[int], descending: bool) -> ColumnElement[int]:
    return position.desc() if descending else position.asc()
