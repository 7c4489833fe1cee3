"""What one API process has: a database behind a few threads, Redis, the event feed, a dispatcher, upstreams."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
import structlog

from api import drain
from api.event_reader import EventReader, Sources
from api.held_turns import HELD_SECONDS, HeldTurns
from api.idempotency import COMES_BACK_SECONDS
from api.key_ring import KeyRing
from api.queue_figures import QueueWatch
from api.row_watch import RowWatch
from api.stream_limits import StreamLimits
from shared import descriptors, ids
from shared.core import sse_frame
from shared.core.api_key import Caller
from shared.core.replay import replay
from shared.core.turn import Turn
from shared.errors import model_not_found
from shared.queue import Dispatcher
from shared.sealed_reasoning import SealedReasoning
from shared.sealing import Purpose, Seal
from shared.settings import Settings
from shared.store import journals, processes, responses
from shared.store.admission import Admission
from shared.store.engine import Connection, Database
from shared.store.journals import Recording
from shared.store.responses import Sight
from shared.stream.connections import connect, connect_async
from shared.stream.event_feed import EventFeed
from shared.stream.event_log import EventLog
from shared.stream.freeze import LogFreezer
from shared.stream.keys import Keys
from shared.stream.request_rate import RequestRate
from shared.turns import recovery
from shared.turns.ending import Rest, TurnEnder
from shared.turns.sweeper import Sweeper
from shared.upstream.registry import Upstreams
from shared.upstream.route import Route
from shared.version import VERSION

# Connections that ordinary requests leave to what must happen now: to decide ends, and to say that the process lives.
_URGENT_CONNECTIONS = 4
# What is left of an end once it is decided may wait for a Redis that is away; nothing waits behind it.
_ENDER_THREADS = 8

# What clients that left just now still need of a process that stops; while the database is away, others do it.
_LEAVING_SECONDS = 2.0

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger()


class ApiRuntime:
    """The process's parts. Made on the event loop it serves; `start` before the first request."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = ids.new_process_name()
        self.database = Database(settings.sql_url, settings.database_pool_size)
        self.keys = KeyRing(self.read)
        keys = Keys(settings.key_prefix)
        self.redis = connect_async(settings.redis)
        self.feed = EventFeed(connect_async(settings.redis), keys, self.name)
        self.event_log = EventLog(self.redis, keys, settings.stream_log_seconds)
        self.dispatcher = Dispatcher(settings)
        freezer = LogFreezer(connect(settings.redis), keys, settings.stream_log_seconds)
        self.ender = TurnEnder(self.database, freezer, self.dispatcher, settings)
        self.attached: Counter[str] = Counter()
        """How many callers are there for each foreground turn with an idempotency key."""
        self._sweeper = Sweeper(self.database, self.ender, self.dispatcher, settings)
        self.upstreams = Upstreams(settings)
        self.watch = RowWatch(self._look)
        self.held = HeldTurns(self._keep)
        self.queue_watch = QueueWatch(self.read)
        self.request_rate = RequestRate(self.redis, keys, settings.requests_per_minute_per_owner)
        self.admission = Admission(settings.queued_turns, settings.queued_turns_per_owner, settings.owner_share)
        self.room = descriptors.room(settings, descriptors.prepare(descriptors.needs(settings).api, "api"))
        self.streams = StreamLimits(self.room.streams, settings.streams_per_owner)
        self.event_tokens = Seal(settings.secret_key, Purpose.EVENT_TOKEN)
        self.sealed_reasoning = SealedReasoning(settings)
        self.summaries = Seal(settings.secret_key, Purpose.SUMMARY)
        self.webhook_secrets = Seal(settings.secret_key, Purpose.WEBHOOK_SECRET)
        self.stopping = drain.stop_event()
        connections = settings.database_pool_size
        kept_free = min(_URGENT_CONNECTIONS, connections // 2)
        self._sql = ThreadPoolExecutor(connections - kept_free, thread_name_prefix="sql")
        self._urgent = ThreadPoolExecutor(connections, thread_name_prefix="urgent-sql")
        self._enders = ThreadPoolExecutor(_ENDER_THREADS, thread_name_prefix="ender")
        self._services: list[asyncio.Task[None]] = []
        self._leaving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen and to watch."""
        await self.feed.start()
        await self._say_alive()
        self._services = [
            asyncio.create_task(self.watch.run(), name="row-watch"),
            asyncio.create_task(self._beat(), name="beat"),
            asyncio.create_task(self.held.run(), name="held-turns"),
            asyncio.create_task(self.upstreams.keep_models_known(), name="models"),
        ]

    async def close(self) -> None:
        """Stop the parts; the turns of callers that were cut off are ended by whoever sweeps next."""
        with contextlib.suppress(Exception):
            await self.write(processes.leave, processes.API, self.name)
        for service in self._services:
            service.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await service
        await self._end_those_left()
        await self.feed.close()
        await self.redis.aclose()
        await self.upstreams.close()
        await asyncio.to_thread(self._sweeper.close)
        self._enders.shutdown()
        self._urgent.shutdown()
        self._sql.shutdown()
        self.dispatcher.close()
        self.database.close()

    def upstream_for(self, caller: Caller, model: str) -> Route:
        """The upstream that serves `model` to this caller; raises InvalidRequest, the same for none and for not."""
        if not caller.may_use(model):
            raise model_not_found(model)
        return self.upstreams.of(model)

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a store function that reads, in one hop to a thread."""
        return await self._hop(self._sql, self._reading(query, *args, **kwargs))

    async def read_now(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same ahead of all ordinary requests, for those that end a turn."""
        return await self._hop(self._urgent, self._reading(query, *args, **kwargs))

    async def write(self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a store function in one transaction, in one hop to a thread."""
        return await self._hop(self._sql, self._writing(change, *args, **kwargs))

    async def begin_end(
        self, begin: Callable[P, Rest | None], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[bool] | None:
        """Decide an end, by one of the ender's `begin`s, at once; None when there was nothing to decide.

        The rest goes on by itself, whether or not somebody waits for it. Raises as the database does.
        """
        rest = await self._hop(self._urgent, partial(begin, *args, **kwargs))
        if rest is None:
            return None
        writing = self._hop(self._enders, rest)
        writing.add_done_callback(_tell_failure)
        return writing

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Have `coroutine` run on, though nobody waits for it."""
        task = asyncio.create_task(coroutine)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        task.add_done_callback(_tell_failure)

    def reader(self, turn: Turn, after: int) -> EventReader:
        """A reader of the turn's events with numbers above `after`."""
        sources = Sources(self.feed, self.event_log, self.watch, self._recording)
        return EventReader(sources, turn, after, self.settings.heartbeat_seconds)

    async def _end_those_left(self) -> None:
        if self._leaving:
            _, late = await asyncio.wait(self._leaving, timeout=_LEAVING_SECONDS)
            for task in late:
                task.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(processes.BEAT_SECONDS)
            try:
                await self._say_alive()
                await self._stay()
            except Exception as error:  # noqa: BLE001 - the database is away; nobody judges until it is back
                log.warning("beat_failed", error=type(error).__name__)

    async def _say_alive(self) -> None:
        beat = self._writing(processes.beat, processes.API, self.name, VERSION, recovery.counts())
        await self._hop(self._urgent, beat)

    async def _stay(self) -> None:
        self.attached = +self.attached
        if self.attached:
            stay = self._writing(responses.stay, list(self.attached), seconds=COMES_BACK_SECONDS)
            await self._hop(self._urgent, stay)

    async def _recording(self, turn: Turn) -> Recording | None:
        return await self.read(_recording, turn)

    async def _look(self, response_ids: Sequence[str]) -> dict[str, Sight]:
        return await self.read(responses.look, response_ids)

    async def _keep(self, response_ids: Sequence[str]) -> None:
        await self.write(responses.hold, response_ids, seconds=HELD_SECONDS)

    def _reading(
        self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Callable[[], T]:
        def read() -> T:
            with self.database.read() as connection:
                return query(connection, *args, **kwargs)

        return read

    def _writing(
        self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Callable[[], T]:
        def write() -> T:
            with self.database.write() as connection:
                return change(connection, *args, **kwargs)

        return write

    def _hop(self, threads: ThreadPoolExecutor, act: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(threads, copy_context().run, act)


def _tell_failure(over: asyncio.Future[Any]) -> None:
    if not over.cancelled() and (error := over.exception()):
        log.warning("end_failed", error=type(error).__name__)


def _recording(connection: Connection, turn: Turn) -> Recording | None:
    """The journal; turns whose events were not logged are replayed from their stored Response."""
    recording = journals.read(connection, turn.owner, turn.id)
    if recording is not None:
        return recording
    body = responses.get_body(connection, turn.owner, turn.id)
    if body is None:
        return None
    frames = [sse_frame.encode(event) for event in replay(turn, orjson.loads(body))]
    return Recording(journals.compress(frames), lost=False, exact=False)
