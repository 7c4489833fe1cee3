"""The database's own clock: the only one that judges leases, so that wrong clocks elsewhere do not matter."""

from typing import Any

from sqlalchemy import Connection, Float, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class database_now(FunctionElement[float]):  # noqa: N801 - reads as a SQL function
    """Seconds since the epoch, as a float."""

    type = Float()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _sqlite(_element: database_now, _compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now)
def _postgres(_element: database_now, _compiler: Any, **_: Any) -> str:
    # clock_timestamp, not now(): the latter stands still inside a transaction.
    return "extract(epoch from clock_timestamp())::float8"


def read_clock(connection: Connection) -> float:
    """What the clock shows."""
    return connection.execute(_CLOCK).scalar_one()


_CLOCK = select(database_now())
