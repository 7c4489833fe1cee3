"""What kinds of failures a database has, as they are counted."""

from enum import StrEnum

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.metrics import SQL_ERRORS


class SqlFailure(StrEnum):
    """Why a transaction failed."""

    UNREACHABLE = "unreachable"
    NO_CONNECTION = "no_connection"
    """All of the process's connections were in use, or all of the server's."""
    REFUSED_WRITE = "refused_write"
    """The disk is full, or the database takes no writes."""
    CONFLICT = "conflict"
    """Locked for too long, a deadlock, or a transaction to be made again."""
    OTHER = "other"


for _failure in SqlFailure:
    SQL_ERRORS.labels(_failure)

# By SQLSTATE, or SQLite's name for it.
_BY_CODE = {
    "25006": SqlFailure.REFUSED_WRITE,
    "53100": SqlFailure.REFUSED_WRITE,
    "SQLITE_FULL": SqlFailure.REFUSED_WRITE,
    "SQLITE_READONLY": SqlFailure.REFUSED_WRITE,
    "53300": SqlFailure.NO_CONNECTION,
    "40001": SqlFailure.CONFLICT,
    "40P01": SqlFailure.CONFLICT,
    "55P03": SqlFailure.CONFLICT,
    "SQLITE_BUSY": SqlFailure.CONFLICT,
    "SQLITE_LOCKED": SqlFailure.CONFLICT,
}


def count(error: SQLAlchemyError) -> None:
    """Count a failure."""
    SQL_ERRORS.labels(failure_of(error)).inc()


def failure_of(error: SQLAlchemyError) -> SqlFailure:
    """What kind of failure it is."""
    if isinstance(error, PoolTimeout):
        return SqlFailure.NO_CONNECTION
    if not isinstance(error, DBAPIError):
        return SqlFailure.OTHER
    if known := _BY_CODE.get(_code(error)):
        return known
    lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return SqlFailure.UNREACHABLE if lost else SqlFailure.OTHER


def _code(error: DBAPIError) -> str:
    # Extended codes of SQLite, as SQLITE_READONLY_DBMOVED, are one of the plain ones with more at the end.
    code = getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""
    return "_".join(code.split("_")[:2])
