"""Listings by keyset: a page costs the same wherever it is, and never loads what it does not show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from shared.errors import InvalidRequest

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
    """What is listed: the entries' columns, who belongs to it, and the order of their positions.

    `wanted` leaves out entries for now, such as by a status: a cursor stays good when its entry has changed.
    """

    columns: Sequence[ColumnElement[Any]]
    belongs: ColumnElement[bool]
    id: ColumnElement[str]
    position: ColumnElement[int]
    wanted: Sequence[ColumnElement[bool]] = ()

    def page(
        self, connection: Connection, request: PageRequest, entry: Callable[[Row[*tuple[Any, ...]]], T]
    ) -> Page[T]:
        """One page; raises InvalidRequest for a cursor that is not in the listing."""
        statement = select(*self.columns).where(self.belongs, *self.wanted)
        if request.after is not None:
            statement = statement.where(self._beyond(connection, request.after, request.descending))
        return _fetch(connection, statement.order_by(self._order(request.descending)), request.limit, entry)

    def _beyond(self, connection: Connection, after: str, descending: bool) -> ColumnElement[bool]:
        cursor = connection.execute(select(self.position).where(self.belongs, self.id == after)).scalar()
        if cursor is None:
            raise InvalidRequest("'after' is not the id of an entry of this list.", "after", "invalid_value")
        return self.position < cursor if descending else self.position > cursor

    def _order(self, descending: bool) -> ColumnElement[int]:
        return self.position.desc() if descending else self.position.asc()


def _fetch(
    connection: Connection, statement: Select[Any], limit: int, entry: Callable[[Row[*tuple[Any, ...]]], T]
) -> Page[T]:
    # One row more than asked for tells whether there is more.
    rows = connection.execute(statement.limit(limit + 1)).all()
    return Page([entry(row) for row in rows[:limit]], len(rows) > limit)
