"""The database for commands that look into it themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.cli.errors import CommandError
from shared.settings import Settings
from shared.store import schema
from shared.store.engine import Database, DatabaseAway, reachable


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The configured database for the block; raises CommandError when it is away or its schema is behind."""
    database = Database(settings.sql_url, pool_size=1)
    try:
        with reachable():
            schema.check(database)
            yield database
    except (schema.SchemaBehind, DatabaseAway) as error:
        raise CommandError(str(error)) from None
    finally:
        database.close()
