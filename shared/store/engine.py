"""Connections: one `Database` per process, with a bounded pool and two kinds of transactions."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection as Connection  # for those who hold a transaction and know no SQL
from sqlalchemy import Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared import tracing
from shared.errors import TurnstoneError
from shared.store import sql_failures, sqlite

POOL_WAIT_SECONDS = 5
_IDLE_TRANSACTION_SECONDS = 5
_READ_ONLY = "25006"

# A server that has vanished is noticed within seconds, not when TCP gives up.
_POSTGRES_LINE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

# What a database outage looks like, from the pool, the driver or the server.
_OUTAGE = (OperationalError, InterfaceError, PoolTimeout)


class DatabaseAway(TurnstoneError):
    """The database cannot be reached by somebody who can do nothing without."""


class Database:
    """The way to SQL. `pool_size` bounds this process's connections; callers wait at most 5 s for one."""

    def __init__(self, url: str, pool_size: int = 15) -> None:
        self.engine = _create_engine(url, pool_size)
        server = _is_server(self.engine.name)
        self._turn_to_write = nullcontext if server else sqlite.WriterQueue().turn
        self._reads = self.engine.execution_options(
            **{"isolation_level": "AUTOCOMMIT"} if server else {sqlite.READS: True}
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for statements that each stand alone."""
        try:
            with self._reads.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            sql_failures.count(error)
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block. On SQLite it holds the write lock from its start."""
        try:
            with self._turn_to_write(), self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            sql_failures.count(error)
            raise

    def empty_log(self) -> bool:
        """Have nothing that was erased left in SQLite's write-ahead log; False while somebody reads it still."""
        if _is_server(self.engine.name):
            return True
        with self.read() as connection:
            return sqlite.empty_log(connection)

    def most_connections(self) -> int | None:
        """How many the server takes from everybody; None where files are no server."""
        if not _is_server(self.engine.name):
            return None
        with self.read() as connection:
            names = ("max_connections", "superuser_reserved_connections")
            most, reserved = (int(connection.exec_driver_sql(f"SHOW {name}").scalar_one()) for name in names)
        return most - reserved

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


@contextmanager
def reachable() -> Iterator[None]:
    """For a start or a command, which does not wait: an outage in the block is DatabaseAway, in one line."""
    try:
        yield
    except SQLAlchemyError as error:
        if not is_outage(error):
            raise
        raise DatabaseAway(f"The database cannot be reached: {str(error).splitlines()[0]}") from None


def is_outage(error: BaseException) -> bool:
    """Whether the database could not be asked, so that asking again may help."""
    if isinstance(error, DBAPIError) and (error.connection_invalidated or _is_read_only(error)):
        return True
    return isinstance(error, _OUTAGE)


def _is_read_only(error: DBAPIError) -> bool:
    # A Postgres that stands by, or was told to take no writes; in SQLite it is an OperationalError anyway.
    return getattr(error.orig, "sqlstate", None) == _READ_ONLY


def _create_engine(url: str, pool_size: int) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    # hide_parameters: an error message must never carry a prompt.
    options: dict[str, Any] = {"hide_parameters": True, "pool_size": pool_size, "max_overflow": 0}
    if _is_server(parsed.drivername):
        options["connect_args"] = {name: value for name, value in _POSTGRES_LINE.items() if name not in parsed.query}
    engine = create_engine(
        parsed, pool_timeout=POOL_WAIT_SECONDS, pool_pre_ping=_is_server(parsed.drivername), **options
    )
    event.listen(engine, "handle_error", _drop_details)
    if not _is_server(parsed.drivername):
        Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True)
        engine.dialect.statement_compiler = sqlite.StatementCompiler
        event.listen(engine, "connect", sqlite.prepare)
        event.listen(engine, "begin", sqlite.begin)
    else:
        event.listen(engine, "connect", _prepare_postgres)
    tracing.watch_engine(engine)
    return engine


def _is_server(drivername: str) -> bool:
    return not drivername.startswith("sqlite")


def _drop_details(context: ExceptionContext) -> None:
    # Postgres repeats the whole failing row, prompt included, in the lines below the first.
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\n")[0], *error.args[1:])


def _prepare_postgres(connection: Any, _record: object) -> None:
    # A process frozen inside a transaction would hold its row locks for ever.
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE_TRANSACTION_SECONDS}s'")
    connection.commit()
