"""`turnstone erase`: all that is stored of an owner, in SQL and in Redis."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from shared import clock
from shared.cli.embedded_valkey import with_embedded_valkey
from shared.cli.errors import CommandError
from shared.cli.opened_database import opened
from shared.cli.opened_ender import opened_ender
from shared.redis_failures import MEANINGS, failure_of
from shared.settings import Settings
from shared.store import erasure, operators
from shared.store.engine import Connection, Database
from shared.stream import connections
from shared.stream.keys import Keys
from shared.stream.log_eraser import LogEraser
from shared.turns.ending import TurnEnder

# A revoked key is remembered as good for less than this.
_KEYS_SECONDS = 5.0
_AT_ONCE = 100
_ENDER_THREADS = 8
_ROUNDS = 10
_CHECKPOINT_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
_WORDS = {"api_key": "API key", "idempotency": "idempotency key"}

P = ParamSpec("P")
T = TypeVar("T")


def held(settings: Settings, owner: str) -> str:
    """What is stored of the owner, in words; raises CommandError when there is nothing."""
    with opened(settings) as database:
        return _told(_holdings(database, owner))


def erase(settings: Settings, owner: str) -> str:
    """What was erased; raises CommandError when there was nothing, or something is left."""
    settings = with_embedded_valkey(settings)
    with opened(settings) as database, _log_eraser(settings) as logs:
        before = _holdings(database, owner)
        with opened_ender(settings, database) as ender:
            _Erasing(database, ender, logs, owner).run()
        cleaned = _empty_log(database)
    told = f"erased {_told(before)}"
    return told if cleaned else f"{told}; readers keep SQLite's write-ahead log from being emptied: run it again later"


class _Erasing:
    def __init__(self, database: Database, ender: TurnEnder, logs: LogEraser, owner: str) -> None:
        self._database = database
        self._ender = ender
        self._logs = logs
        self._owner = owner

    def run(self) -> None:
        if self._change(erasure.close_keys, self._owner):
            clock.pause(_KEYS_SECONDS)  # until no process lets them in any more
        for _ in range(_ROUNDS):
            self._round()
            if not self._read(operators.holdings, self._owner):
                return
        raise CommandError("The owner is at work all the time: stop its clients, then run this again.")

    def _round(self) -> None:
        # Endpoints first, so that nobody is told of the ends.
        self._change(erasure.forget_webhooks, self._owner)
        self._end_turns()
        while self._change(erasure.erase_conversation, self._owner):
            pass
        while some := self._read(erasure.some_responses, self._owner, _AT_ONCE):
            self._logs.erase_logs(some)
            self._change(erasure.erase_responses, some)
        self._logs.forget_requests(self._owner)
        self._change(erasure.forget_idempotency_keys, self._owner)
        self._change(erasure.forget_keys, self._owner)

    def _end_turns(self) -> None:
        """What somebody else is ending just now stays; it is erased under his hands."""
        with ThreadPoolExecutor(_ENDER_THREADS, thread_name_prefix="ender") as pool:
            while turns := self._read(operators.active, self._owner, _AT_ONCE):
                if not any(pool.map(lambda turn: self._ender.end(turn, "cancelled"), turns)):
                    return

    def _change(self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._database.write() as connection:
            return change(connection, *args, **kwargs)

    def _read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._database.read() as connection:
            return query(connection, *args, **kwargs)


@contextmanager
def _log_eraser(settings: Settings) -> Iterator[LogEraser]:
    """Raises CommandError while Redis is away: the live logs could not be erased."""
    client = connections.connect(settings.redis)
    try:
        client.ping()
        yield LogEraser(client, Keys(settings.key_prefix), settings.stream_log_seconds)
    except connections.RedisError as error:
        meaning = MEANINGS[failure_of(error)]
        raise CommandError(f"Redis holds what was said of late, and {meaning}. Then try again.") from None
    finally:
        client.close()


def _holdings(database: Database, owner: str) -> dict[str, int]:
    with database.read() as connection:
        counts = operators.holdings(connection, owner) if owner != erasure.NOBODY else {}
    if not counts:
        raise CommandError(f"Nothing is stored of an owner {owner[:80]!r}.")
    return counts


def _told(counts: dict[str, int]) -> str:
    words = {name: _WORDS.get(name, name.replace("_", " ")) for name in counts}
    return ", ".join(f"{count} {words[name]}{'' if count == 1 else 's'}" for name, count in counts.items())


def _empty_log(database: Database) -> bool:
    deadline = clock.monotonic() + _CHECKPOINT_SECONDS
    while not database.empty_log():
        if clock.monotonic() >= deadline:
            return False
        clock.pause(_PAUSE_SECONDS)
    return True
