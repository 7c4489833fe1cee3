"""What ends turns, for commands that end some."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.queue import Dispatcher
from shared.settings import Settings
from shared.store.engine import Database
from shared.stream.connections import connect
from shared.stream.freeze import LogFreezer
from shared.stream.keys import Keys
from shared.turns.ending import TurnEnder


@contextmanager
def opened_ender(settings: Settings, database: Database) -> Iterator[TurnEnder]:
    """The ender for the block; at its end, the messages of turns that were let go are sent."""
    dispatcher = Dispatcher(settings)
    client = connect(settings.redis)
    freezer = LogFreezer(client, Keys(settings.key_prefix), settings.stream_log_seconds)
    try:
        yield TurnEnder(database, freezer, dispatcher, settings)
    finally:
        dispatcher.close()
        client.close()
