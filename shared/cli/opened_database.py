"""The database for commands that look into it themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.cli.errors import CommandError
from shared.settings import Settings
from shared.store import engine, schema
from shared.store.engine import Database


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The configured database for the block; raises CommandError when it is away or its schema is behind."""
    database = Database(settings.sql_url, pool_size=1)
    try:
        schema.check(database)
        yield database
    except schema.SchemaBehind as behind:
        raise CommandError(str(behind)) from None
    except engine.OUTAGE as error:
        raise CommandError(f"The database cannot be reached: {str(error).splitlines()[0]}") from None
    finally:
        database.close()
