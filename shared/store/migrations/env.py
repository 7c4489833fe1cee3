"""How Alembic reaches the database: on the connection it is given, or on the configured one."""

from alembic import context
from sqlalchemy import Connection

from shared.settings import load_settings
from shared.store.engine import Database
from shared.store.tables import METADATA


def run(connection: Connection) -> None:
    """Run the wanted revisions; batches, since SQLite cannot alter a table in place."""
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with Database(load_settings().sql_url).write() as own:
        run(own)
