"""An ender with all that is around it: a store, a Redis and the ears of everybody who may listen."""

import asyncio
from collections.abc import Callable

import orjson

from shared.core.turn import Turn
from shared.settings import Settings
from shared.store import attempts, journals, responses
from shared.store.engine import Database
from shared.stream.connections import Redis, connect, connect_async
from shared.stream.event_log import Append, EventLog
from shared.stream.freeze import LogFreezer
from shared.stream.keys import Keys
from shared.turns.ending import TurnEnder
from shared.wire.response import ResponseBody
from tests.stored_turns import OWNER, SHARE

KEEP_SECONDS = 600


class Dispatched:
    """Stands where the dispatcher does; notes what it is given."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def dispatch(self, turn: Turn) -> None:
        self.messages.append((turn.id, turn.request.get("service_tier", "auto")))


class Stage:
    """An ender with a store, a Redis and the ears of everybody who may listen."""

    def __init__(self, database: Database, url: str, prefix: str) -> None:
        self.database = database
        self.keys = Keys(prefix)
        self.dispatched = Dispatched()
        self._url = url
        self.redis: Redis = connect(url)
        freezer = LogFreezer(self.redis, self.keys, KEEP_SECONDS)
        settings = Settings(lease_seconds=30, turns_per_owner=SHARE)
        self.ender = TurnEnder(database, freezer, self.dispatched, settings)  # type: ignore[arg-type]

    def append(self, turn: Turn, frames: list[bytes], first: int = 0) -> int:
        """What the worker's publisher does."""

        async def call() -> int:
            client = connect_async(self._url)
            log = EventLog(client, self.keys, KEEP_SECONDS)
            (result,) = await log.append([Append(turn.id, turn.attempt, first, frames, claimed=first == 0)])
            await client.aclose()
            return result

        return asyncio.run(call())

    def start_output(self, turn: Turn) -> None:
        with self.database.write() as connection:
            assert attempts.start_output(connection, (turn.id, turn.attempt))

    def journal(self, turn: Turn) -> journals.Recording:
        with self.database.read() as connection:
            recording = journals.read(connection, OWNER, turn.id)
        assert recording is not None
        return recording

    def body(self, turn: Turn) -> ResponseBody:
        with self.database.read() as connection:
            stored = responses.get_body(connection, OWNER, turn.id)
        assert stored is not None
        body: ResponseBody = orjson.loads(stored)
        return body

    def listen(self, *channels: str) -> Callable[[], bytes]:
        listener = self.redis.pubsub(ignore_subscribe_messages=True)
        listener.subscribe(*channels)
        for _ in channels:
            listener.get_message(timeout=5)

        def hear() -> bytes:
            while (message := listener.get_message(timeout=5)) is None:
                pass
            data: bytes = message["data"]
            return data

        return hear
