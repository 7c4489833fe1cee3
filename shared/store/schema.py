"""The schema's one history: bringing a database up to date, and refusing to run on one that is behind."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.errors import TurnstoneError
from shared.settings import Settings
from shared.store.engine import Connection, Database


class SchemaBehind(TurnstoneError):
    """The database lacks a migration that this code needs."""


def migrate(settings: Settings) -> None:
    """Bring the database to the newest revision; safe to call from several processes at once."""
    database = Database(settings.sql_url)
    try:
        with database.write() as connection:
            if connection.dialect.name == "postgresql":
                # One migration at a time; the lock ends with the transaction.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(8067335520)")
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
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
    """Raise SchemaBehind unless the schema is ours or newer: during a rollout the database is one revision ahead."""
    scripts = ScriptDirectory.from_config(_config())
    revision = revision_of(database)
    older = {script.revision for script in scripts.walk_revisions()} - {scripts.get_current_head()}
    if revision is None or revision in older:
        raise SchemaBehind("The database schema is behind this version. Run `turnstone migrate` first.")


def ping(connection: Connection) -> None:
    """Ask the database for anything at all; raises as it does."""
    connection.exec_driver_sql("SELECT 1")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "shared.store:migrations")
    config.set_main_option("path_separator", "os")
    return config
