"""The schema's one history: bringing a database up to date, and refusing to run on one that is behind."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from shared.errors import TurnstoneError
from shared.settings import Settings
from shared.store.engine import Connection, Database

_LOCK_SECONDS = 3
_LOCK_TIMEOUT = "55P03"


class SchemaBehind(TurnstoneError):
    """The database lacks a migration that this code needs."""


class SchemaBusy(TurnstoneError):
    """Somebody holds a table that a migration has to change."""


def migrate(settings: Settings, revision: str = "head") -> None:
    """Bring the database up to a revision; safe to call from several processes at once, and while others work.

    Raises SchemaBusy, with nothing changed, when a table stays held.
    """
    database = Database(settings.sql_url)
    try:
        with database.write() as connection:
            if connection.dialect.name == "postgresql":
                # One migration at a time; the lock ends with the transaction.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(8067335520)")
                # Who asks for a table after us waits behind us, as long as we wait for it.
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_TIMEOUT:
            raise SchemaBusy(
                "A table that has to change is held by somebody else, such as a backup. Nothing was changed; try again."
            ) from None
        raise
    finally:
        database.close()


def revision_of(database: Database) -> str | None:
    """The database's revision; None when it was never migrated."""
    with database.read() as connection:
        return revision(connection)


def revision(connection: Connection) -> str | None:
    """The same, over a connection."""
    return MigrationContext.configure(connection).get_current_revision()


def check(database: Database) -> None:
    """Raise SchemaBehind unless the schema is ours or newer: during a rollout the database is ahead.

    However far: migrations only add, which a test holds them to.
    """
    scripts = ScriptDirectory.from_config(_config())
    revision = revision_of(database)
    older = {script.revision for script in scripts.walk_revisions()} - {scripts.get_current_head()}
    if revision is None or revision in older:
        raise SchemaBehind("The database schema is behind this version. Run `turnstone migrate` first.")


def is_ahead(database: Database) -> bool:
    """Whether the schema is of a version newer than this one."""
    return revision_of(database) not in {
        script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()
    }


def ping(connection: Connection) -> None:
    """Ask the database for anything at all; raises as it does."""
    connection.exec_driver_sql("SELECT 1")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "shared.store:migrations")
    config.set_main_option("path_separator", "os")
    return config
