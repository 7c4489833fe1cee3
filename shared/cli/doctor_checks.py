"""What `turnstone doctor` looks at. Each check imports what it checks, so that a broken part leaves the others be."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared import descriptors, production
from shared.cli.errors import CommandError
from shared.errors import UpstreamError, UpstreamFault
from shared.settings import PREFIX, Settings
from shared.version import VERSION

if TYPE_CHECKING:
    from shared.redis_failures import RedisFailure
    from shared.store.engine import Database

_LONG_QUEUED_SECONDS = 60
_FULL = 0.8
"""Of Redis' memory, of the database's connections."""
_LEAST_FREE = 0.05
_LEAST_FREE_BYTES = 1024**3
_ANSWERED = (UpstreamFault.REJECTED, UpstreamFault.RATE_LIMITED, UpstreamFault.SERVER_ERROR)


class Trouble(Exception):
    """A part is not well; `advice` says what to do about it. What is not `bad` works all the same."""

    def __init__(self, what: str, advice: str, *, bad: bool = True) -> None:
        super().__init__(what)
        self.advice = advice
        self.bad = bad


def _settings(settings: Settings) -> str:
    if refused := production.refusals(settings):
        raise Trouble(f"{len(refused)} not fit for production", " ".join(refused))
    return f"{settings.env}" + (f"; {PREFIX}ENV=production checks more" if settings.env == "development" else "")


def _database(settings: Settings) -> str:
    from shared.store import engine, schema

    if _is_missing(settings):
        raise Trouble(f"there is none yet in {settings.data_dir}", "run `turnstone up` or `turnstone migrate`")
    database = engine.Database(settings.sql_url, pool_size=1)
    try:
        schema.check(database)
        found = f"{database.engine.dialect.name}, schema {schema.revision_of(database)}"
        if schema.is_ahead(database):
            raise Trouble(f"{found}: newer than this version", "end the upgrade: run the new version here", bad=False)
        return found
    except schema.SchemaBehind as behind:
        raise Trouble(str(behind), "run `turnstone migrate`") from None
    finally:
        database.close()


def _turns(settings: Settings) -> str:
    from shared.store import server_state
    from shared.store.queue_state import Waiting

    with _known(settings) as database, database.read() as connection:
        state = server_state.load(connection)
    found = f"{state.running} running, {state.queued} queued"
    oldest_seconds = state.oldest_seconds(Waiting.WORKER)
    if oldest_seconds > _LONG_QUEUED_SECONDS:
        what = f"{found}, one of them ready for {oldest_seconds:.0f} s without a worker"
        raise Trouble(what, "start more workers; `turnstone status` tells more", bad=False)
    return found


def _processes(settings: Settings) -> str:
    from shared.store import server_state

    with _known(settings) as database:
        most = database.most_connections()
        with database.read() as connection:
            state = server_state.load(connection)
    running = [*state.workers, *state.api_processes]
    found = f"{len(state.workers)} workers, {len(state.api_processes)} API processes, this is {VERSION}"
    if others := sorted({process.version or "an older one" for process in running} - {VERSION}):
        raise Trouble(f"{found}; others run {', '.join(others)}", "end the upgrade: restart those", bad=False)
    used = len(running) * settings.database_pool_size
    if most is not None and used > most:
        what = f"{found}; they may open {used} connections, and the database takes {most}"
        raise Trouble(what, f"raise its max_connections, or lower {PREFIX}DATABASE_POOL_SIZE", bad=False)
    return found


def _is_missing(settings: Settings) -> bool:
    # Looking into an SQLite database that is not there would make one.
    return settings.database_url is None and not (settings.data_dir / "turnstone.sqlite3").exists()


@contextmanager
def _known(settings: Settings) -> "Iterator[Database]":
    from shared.cli.opened_database import opened

    unknown = Trouble("not known without the database", "get that right first", bad=False)
    if _is_missing(settings):
        raise unknown
    try:
        with opened(settings) as database:
            yield database
    except CommandError:
        raise unknown from None


def _disk(settings: Settings) -> str:
    if not settings.data_dir.exists():
        return f"nothing is kept in {settings.data_dir}"
    disk = shutil.disk_usage(settings.data_dir)
    found = f"{disk.free / 1024**3:.1f} GiB of {disk.total / 1024**3:.1f} free at {settings.data_dir}"
    if disk.free < _LEAST_FREE * disk.total or disk.free < _LEAST_FREE_BYTES:
        raise Trouble(found, "make room: when it is full, nothing is accepted (`turnstone purge`)", bad=False)
    return found


def _descriptors(settings: Settings) -> str:
    needed, most = descriptors.needs(settings), descriptors.obtainable()
    if needed.most > most:
        streams = descriptors.room(settings, most).streams
        what = f"{most} at most, {needed.most} are needed; an API process begun here holds {streams} streams"
        raise Trouble(what, descriptors.ADVICE, bad=False)
    return f"{needed.most} are needed, as many can be had here"


def _redis(settings: Settings) -> str:
    from shared.stream import connections, trial
    from shared.stream.keys import Keys

    with connections.connect(settings.redis) as client:
        if failure := trial.failure(client, Keys(settings.key_prefix)):
            raise _trouble(failure, "REDIS_URL")
        memory = client.info("memory")
    policy, used, most = memory["maxmemory_policy"], memory["used_memory"], memory["maxmemory"]
    if policy != "noeviction":
        raise Trouble(f"maxmemory-policy is {policy}: it may drop messages and live logs", "set it to noeviction")
    if used > _FULL * most > 0:
        what = f"uses {used / 1024**2:.0f} of {most / 1024**2:.0f} MiB; full, it refuses messages and live logs"
        raise Trouble(what, f"raise maxmemory, or lower {PREFIX}STREAM_LOG_SECONDS", bad=False)
    return "answers, maxmemory-policy noeviction"


def _broker(settings: Settings) -> str:
    from shared import queue
    from shared.redis_failures import RedisFailure, failure_of

    with queue.celery_app(settings).connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=3)
        except Exception as error:
            if (failure := failure_of(error)) is RedisFailure.OTHER:
                raise
            raise _trouble(failure, "BROKER_URL" if settings.broker_url else "REDIS_URL") from None
        return f"{connection.transport_cls} takes connections"


def _trouble(failure: "RedisFailure", setting: str) -> Trouble:
    from shared.redis_failures import MEANINGS

    meaning = MEANINGS[failure]
    return Trouble(meaning.problem, f"{meaning.advice} ({PREFIX}{setting})")


def _workers(settings: Settings) -> str:
    from shared import queue

    replies = queue.celery_app(settings).control.ping(timeout=1.5)
    names = sorted(name for reply in replies for name in reply)
    if not names:
        raise Trouble("none answers: turns are accepted but not run", "start one with `turnstone worker`")
    return ", ".join(names)


def _upstream(settings: Settings) -> str:
    if settings.upstream_base_url is None and settings.upstreams_file is None:
        return f"none configured; `turnstone up` uses its demonstration until {PREFIX}UPSTREAM_BASE_URL is set"
    return asyncio.run(_models(settings))


async def _models(settings: Settings) -> str:
    from shared.upstream import registry

    upstreams = registry.Upstreams(settings)
    try:
        served = await upstreams.served()
    finally:
        await upstreams.close()
    found = "; ".join(f"{name} {_served(models)}" for name, models in served.items())
    failures = [models for models in served.values() if isinstance(models, UpstreamError)]
    if any(error.fault not in _ANSWERED for error in failures):
        raise Trouble(found, f"check {settings.upstreams_file or PREFIX + 'UPSTREAM_BASE_URL'} and its keys")
    if failures:
        advice = "turns do not need its list of models; if they fail too, check the base URL (it ends in /v1)"
        raise Trouble(found, advice, bad=False)
    return found


def _served(models: list[str] | UpstreamError) -> str:
    return f"fails: {models}" if isinstance(models, UpstreamError) else f"serves {', '.join(models[:5]) or 'no model'}"


CHECKS: tuple[tuple[str, Callable[[Settings], str], str], ...] = (
    ("settings", _settings, ""),
    ("database", _database, f"check {PREFIX}DATABASE_URL and that the server runs"),
    ("turns", _turns, ""),
    ("processes", _processes, ""),
    ("disk", _disk, ""),
    ("files", _descriptors, ""),
    ("redis", _redis, f"check {PREFIX}REDIS_URL and that the server runs"),
    ("broker", _broker, f"check {PREFIX}BROKER_URL, or {PREFIX}REDIS_URL, and that the server runs"),
    ("workers", _workers, "they are reached through the broker; get that right first"),
    ("upstream", _upstream, f"check {PREFIX}UPSTREAM_BASE_URL and {PREFIX}UPSTREAM_API_KEY"),
)
