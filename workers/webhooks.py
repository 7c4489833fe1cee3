"""Sends webhooks: a thread of each worker process takes what is due in SQL, whoever wrote it, and calls receivers."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TypeVar

import orjson
import structlog

from shared import clock, metrics
from shared.core.webhooks import event, pause_seconds, signed_headers, webhook_id
from shared.outbound import Outbound, Unreachable
from shared.sealing import Purpose, Seal
from shared.settings import Settings
from shared.store import webhook_outbox
from shared.store.engine import Connection, Database
from shared.store.webhook_outbox import Delivery

_LOOK_SECONDS = 0.5
_OUTAGE_SECONDS = 5.0
_FORGET_SECONDS = 3600.0
_STOP_SECONDS = 2.0
_AT_ONCE = 256
_AT_ONCE_PER_ENDPOINT = 4
_LEASE_MARGIN_SECONDS = 5.0
_GONE = 410

T = TypeVar("T")
log = structlog.get_logger()


class Outcome(StrEnum):
    """What came of sending."""

    DELIVERED = "webhook_delivered"
    FAILED = "webhook_failed"
    GIVEN_UP = "webhook_given_up"
    DISABLED = "webhook_endpoint_disabled"


class WebhookSender:
    """Sends until it is closed. What it was sending when it died is sent again, under the same id."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._outbound = Outbound(settings.allowed_networks, settings.webhook_seconds)
        self._secrets = Seal(settings.secret_key, Purpose.WEBHOOK_SECRET)
        self._lease_seconds = settings.webhook_seconds + _LEASE_MARGIN_SECONDS
        self._first_pause_seconds = settings.webhook_retry_seconds
        self._sql = ThreadPoolExecutor(1, thread_name_prefix="webhook-sql")
        self._sending: dict[asyncio.Task[None], str] = {}
        self._forget_at = clock.monotonic()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; what is being sent has two seconds to be answered."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._sql.shutdown()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        while not stopped.done():
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - the database is away: what is due stays so
                log.warning("webhooks_wait_for_database", error=type(error).__name__)
                await asyncio.wait([stopped], timeout=_OUTAGE_SECONDS)
            # An answer makes room for the next at its endpoint.
            await asyncio.wait([stopped, *self._sending], timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self._sending:
            await asyncio.wait(self._sending, timeout=_STOP_SECONDS)

    async def _look(self) -> None:
        for delivery in await self._in_sql(self._claim):
            sending = asyncio.create_task(self._deliver(delivery))
            self._sending[sending] = delivery.endpoint.id
            sending.add_done_callback(lambda over: self._sending.pop(over))

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            answer = await self._send(delivery)
            await self._in_sql(lambda: self._note(delivery, answer))
        except Exception as error:  # noqa: BLE001 - the database is away: it is sent once more
            log.warning("webhook_answer_lost", response_id=delivery.response_id, error=type(error).__name__)

    async def _send(self, delivery: Delivery) -> str:
        """The status that was answered, or a word for why there is none."""
        secrets = self._secrets.open_each(delivery.endpoint.id, delivery.endpoint.sealed)
        if not secrets:
            return "no_secret_key"
        body = orjson.dumps(event(delivery.event_type, delivery.response_id, delivery.created_at))
        message_id = webhook_id(delivery.response_id, delivery.endpoint.id)
        try:
            headers = signed_headers(message_id, int(clock.now()), body, secrets)
            return str(await self._outbound.post(delivery.endpoint.url, body, headers))
        except Unreachable as unreachable:
            return str(unreachable)

    # -- in SQL ---------------------------------------------------------------------------------------------

    def _claim(self) -> list[Delivery]:
        if clock.monotonic() >= self._forget_at:
            self._write(webhook_outbox.forget)
            self._forget_at = clock.monotonic() + _FORGET_SECONDS
        sending = Counter(self._sending.values())
        room = _AT_ONCE - sending.total()
        with self._database.read() as connection:
            if room <= 0 or not webhook_outbox.any_due(connection):
                return []
        if given_up := self._write(webhook_outbox.give_up):
            log.warning(Outcome.GIVEN_UP.value, count=given_up)
            metrics.WEBHOOKS.labels(Outcome.GIVEN_UP.value).inc(given_up)
        busy = [endpoint_id for endpoint_id, count in sending.items() if count >= _AT_ONCE_PER_ENDPOINT]
        return self._write(
            lambda connection: webhook_outbox.claim(
                connection,
                limit=room,
                per_endpoint=_AT_ONCE_PER_ENDPOINT,
                busy=busy,
                lease_seconds=self._lease_seconds,
            )
        )

    def _note(self, delivery: Delivery, answer: str) -> None:
        outcome = _outcome(answer)
        match outcome:
            case Outcome.DELIVERED:
                self._write(lambda connection: webhook_outbox.done(connection, delivery, answer))
            case Outcome.DISABLED:
                self._write(lambda connection: webhook_outbox.disable(connection, delivery, answer))
            case _:
                pause = pause_seconds(delivery.attempts, self._first_pause_seconds, random.random())  # noqa: S311
                self._write(lambda connection: webhook_outbox.postpone(connection, delivery, answer, pause))
        metrics.WEBHOOKS.labels(outcome.value).inc()
        # Not the URL: it may hold a key.
        log.info(
            outcome.value,
            endpoint_id=delivery.endpoint.id,
            response_id=delivery.response_id,
            attempt=delivery.attempts,
            answer=answer,
        )

    def _write(self, change: Callable[[Connection], T]) -> T:
        with self._database.write() as connection:
            return change(connection)

    async def _in_sql(self, act: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._sql, act)


def _outcome(answer: str) -> Outcome:
    if answer == str(_GONE):
        return Outcome.DISABLED
    return Outcome.DELIVERED if len(answer) == 3 and answer.startswith("2") else Outcome.FAILED


for _one in Outcome:  # a count that never rose is 0, not missing: alerts compare it
    metrics.WEBHOOKS.labels(_one.value)
