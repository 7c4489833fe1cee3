"""What one worker process has: a database, one event loop in a thread, a publisher, leases, upstreams."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, TypeVar

import structlog
import uvloop

from shared import ids
from shared.core.turn import Turn
from shared.metrics import WORKER_SLOTS
from shared.queue import Dispatcher
from shared.sealed_reasoning import SealedReasoning
from shared.sealing import Purpose, Seal
from shared.settings import Settings
from shared.store import attempts, schema
from shared.store.attempts import Fence
from shared.store.engine import Database, is_outage, reachable
from shared.stream.connections import connect, connect_async
from shared.stream.event_log import EventLog
from shared.stream.freeze import LogFreezer
from shared.stream.keys import Keys
from shared.turns.ending import TurnEnder
from shared.turns.lease import LeaseKeeper
from shared.turns.sweeper import Sweeper
from shared.upstream.registry import Upstreams
from workers.attempt import Attempt
from workers.beat import Beat
from workers.cancel_listener import listen_for_cancels
from workers.overtaken_turns import OvertakenTurns
from workers.publisher import Publisher
from workers.webhooks import WebhookSender

# SQL in mid-turn (output start, heals) is rare; a few threads keep it off the event loop.
_SQL_THREADS = 4
_SQL_RETRY_SECONDS = 0.5
# Ends of a stopping worker's turns may wait for a Redis that is away: so many wait together.
_ENDER_THREADS = 8

T = TypeVar("T")
log = structlog.get_logger()


class WorkerRuntime:
    """The process's parts; made once, before the first task. The event loop runs until `close`."""

    def __init__(self, settings: Settings) -> None:
        """Raises SchemaBehind or DatabaseAway when there is no database to work on."""
        self.settings = settings
        self.name = ids.new_process_name()
        self.database = Database(settings.sql_url, settings.database_pool_size)
        with reachable():
            schema.check(self.database)
        keys = Keys(settings.key_prefix)
        freezer = LogFreezer(connect(settings.redis), keys, settings.stream_log_seconds)
        self.dispatcher = Dispatcher(settings)
        self.ender = TurnEnder(self.database, freezer, self.dispatcher, settings)
        self.summaries = Seal(settings.secret_key, Purpose.SUMMARY)
        self.leases = LeaseKeeper(self.database, settings.lease_seconds)
        self.sealed_reasoning = SealedReasoning(settings)
        self._sweeper = Sweeper(self.database, self.ender, self.dispatcher, settings)
        self._beat = Beat(self.database, self.name)
        self._webhooks = WebhookSender(self.database, settings)
        self._running: dict[str, Attempt] = {}
        self._overtaken = OvertakenTurns(self.database, self._held, self._overtake)
        WORKER_SLOTS.set(settings.worker_concurrency)
        self._spawned: set[Future[None]] = set()
        self._sql = ThreadPoolExecutor(_SQL_THREADS, thread_name_prefix="sql")
        self.enders = ThreadPoolExecutor(_ENDER_THREADS, thread_name_prefix="ender")
        """Where what is left of an end is done; `close` waits for it."""
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="event-loop", daemon=True)
        self._thread.start()
        self.call(self._start(keys))

    async def _start(self, keys: Keys) -> None:
        self.upstreams = Upstreams(self.settings)
        self._redis = connect_async(self.settings.redis)
        event_log = EventLog(self._redis, keys, self.settings.stream_log_seconds)
        self.publisher = Publisher(event_log, self._renew)
        self._services = [
            asyncio.create_task(self.publisher.run(), name="publisher"),
            asyncio.create_task(self.upstreams.keep_models_known(), name="models"),
            asyncio.create_task(listen_for_cancels(self._redis, keys, self._stop_turn), name="cancels"),
        ]

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the event loop and wait for it, from any other thread."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine` on the event loop without waiting for it, from any other thread; `settle` waits."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        self._spawned.add(future)
        future.add_done_callback(self._spawned.discard)

    def settle(self) -> None:
        """Wait for all that was spawned, from any other thread than the event loop's."""
        wait(list(self._spawned))

    def add(self, attempt: Attempt) -> None:
        """Take an attempt in: its lease is kept, and it hears of its cancel."""
        turn = attempt.turn
        self._running[turn.id] = attempt
        self.leases.hold((turn.id, turn.attempt), lambda: self._lose(attempt))

    def remove(self, attempt: Attempt) -> None:
        """The attempt is over."""
        turn = attempt.turn
        self.leases.release((turn.id, turn.attempt))
        if self._running.get(turn.id) is attempt:
            del self._running[turn.id]

    def running(self) -> list[Attempt]:
        """The attempts under way."""
        return list(self._running.values())

    def give_up(self, attempt: Attempt) -> None:
        """Stop an attempt that is somebody else's by now."""
        self.remove(attempt)
        self.loop.call_soon_threadsafe(attempt.lose)

    async def start_output(self, turn: Turn) -> bool:
        """OUTPUT START in SQL; waits out a database that is away, since nothing is shown before it is written."""
        while True:
            try:
                return await self.loop.run_in_executor(self._sql, copy_context().run, self._start_output, turn)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("output_start_waits_for_database", response_id=turn.id)
                await asyncio.sleep(_SQL_RETRY_SECONDS)

    def close(self) -> None:
        """Stop the parts; turns must have ended, or been given up, before."""
        self._sweeper.close()
        self._webhooks.close()
        self._beat.close()
        self.leases.close()
        self._overtaken.close()
        self.enders.shutdown()
        self.settle()
        self.call(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self._sql.shutdown()
        self.dispatcher.close()
        self.database.close()

    async def _stop(self) -> None:
        for service in self._services:
            service.cancel()
        await asyncio.gather(*self._services, return_exceptions=True)
        await self.upstreams.close()
        await self._redis.aclose()

    async def _renew(self, response_id: str, attempt: int) -> bool:
        return await self.loop.run_in_executor(self._sql, self.leases.renew_now, (response_id, attempt))

    def _start_output(self, turn: Turn) -> bool:
        with self.database.write() as connection:
            return attempts.start_output(connection, (turn.id, turn.attempt))

    def _stop_turn(self, response_id: str) -> None:
        attempt = self._running.get(response_id)
        if attempt is not None:
            attempt.lose()

    def _held(self) -> list[Fence]:
        return [(attempt.turn.id, attempt.turn.attempt) for attempt in self.running()]

    def _overtake(self, fence: Fence) -> None:
        response_id, number = fence
        attempt = self._running.get(response_id)
        if attempt is not None and attempt.turn.attempt == number:
            log.info("turn_overtaken", response_id=response_id, attempt=number)
            self.give_up(attempt)

    def _lose(self, attempt: Attempt) -> None:
        log.warning("lease_lost", response_id=attempt.turn.id, attempt=attempt.turn.attempt)
        self.loop.call_soon_threadsafe(attempt.lose)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
