"""Celery's configuration, the names of tasks and queues, and the way a turn gets into the broker."""

import contextlib
import queue
import ssl
import threading
from typing import Any
from uuid import uuid4

import structlog
from celery import Celery
from celery.app.amqp import AMQP
from celery.app.control import Control
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.messaging import Producer
from kombu.pidbox import Mailbox
from kombu.transport import TRANSPORT_ALIASES

from shared import clock, tracing
from shared.core import amqp_address, redis_address
from shared.core.service_tier import Tier, tier_of
from shared.core.turn import Turn
from shared.keepalive import KEEPALIVE_OPTIONS
from shared.metrics import RedisUse
from shared.redis_outages import outages
from shared.redis_transport import ADDRESS
from shared.settings import Settings

RUN_TURN = "turnstone.run_turn"

# Workers empty these in this order.
QUEUES = tuple(tier.value for tier in Tier)

_WAITING_MESSAGES = 10_000
_BREAKER_SECONDS = 1.0
_SOCKET_SECONDS = 2.0
_HEARTBEAT_SECONDS = 10

# A broker that has vanished without a word: an overdue answer is noticed within three of these, by the worker that
# waits for messages; any other command gives up after `socket_timeout`.
_LINE = {
    "health_check_interval": 3,
    "socket_timeout": 5.0,
    "socket_connect_timeout": 5.0,
    "socket_keepalive": True,
    "socket_keepalive_options": KEEPALIVE_OPTIONS,
}

# By name, since pools make connections of kombu's own class.
TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), "shared.redis_transport:Transport")

log = structlog.get_logger()


class _BrokerConnection(Connection):
    """Looks for a lost broker every second; kombu's own pauses grow to half a minute."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        return super().ensure_connection(*args, interval_start=1, interval_step=0, **kwargs)  # type: ignore[no-untyped-call]


class _Amqp(AMQP):  # type: ignore[misc]  # Celery is partly typed
    Connection = _BrokerConnection


class _Mailbox(Mailbox):  # kombu is partly typed
    """A control queue of a new name each time: RabbitMQ keeps the old one for a connection that it holds to be alive.

    It belongs to that connection alone, so a worker that came back under its name was refused: ResourceLocked. Messages
    find a queue by its binding.
    """

    def get_queue(self, hostname: str) -> Queue:
        queue: Queue = super().get_queue(f"{hostname}.{uuid4().hex}")  # type: ignore[no-untyped-call]  # the same
        return queue


class _Control(Control):  # type: ignore[misc]  # Celery is partly typed
    Mailbox = _Mailbox


def celery_app(settings: Settings) -> Celery:
    """The Celery application, for workers and for whoever sends to them.

    A message is gone once a worker has taken it, and is never retried: a lost turn is found by its lease in SQL, not
    by the broker (kept until acknowledged, it would be run twice after the visibility timeout, and by Celery 5.7 a
    restart of Redis would end the worker).
    """
    own = {"control": _Control} if pushes(settings) else {}
    app = Celery("turnstone", amqp=_Amqp, set_as_current=False, **own)
    queues = _queues(settings)
    app.conf.update(
        accept_content=["json"],
        broker_connection_max_retries=None,
        broker_connection_retry_on_startup=True,
        broker_heartbeat=_HEARTBEAT_SECONDS,
        **_broker(settings),
        result_backend=None,
        task_acks_late=False,
        task_create_missing_queues=False,
        task_default_queue=queues[-1].name,
        task_ignore_result=True,
        task_queues=queues,
        task_serializer="json",
        task_track_started=True,
        worker_concurrency=settings.worker_concurrency,
        worker_disable_prefetch=True,
        worker_enable_prefetch_count_reduction=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def pushes(settings: Settings) -> bool:
    """Whether the broker pushes messages to workers, as RabbitMQ does; from Redis they are fetched."""
    return settings.broker.partition(":")[0] in amqp_address.SCHEMES


def _broker(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "global_keyprefix": f"{settings.key_prefix}:",
        "queue_order_strategy": "priority",
        **_LINE,
    }
    if pushes(settings):
        url, tls = amqp_address.parse(settings.broker)
        return {"broker_url": url, "broker_use_ssl": tls and _amqp_tls(tls), "broker_transport_options": options}
    address = redis_address.parse(settings.broker)
    return {"broker_url": address.public_url, "broker_transport_options": {**options, ADDRESS: address}}


def _amqp_tls(tls: dict[str, str | bool]) -> dict[str, Any]:
    """In py-amqp's terms. It looks at the name in a certificate if it is told one; kombu puts the host for None."""
    files = {name.removeprefix("ssl_"): path for name, path in tls.items() if isinstance(path, str)}
    files["cert_reqs"] = getattr(ssl, f"CERT_{str(tls['ssl_cert_reqs']).upper()}")
    return {**files, **({"server_hostname": None} if tls["ssl_check_hostname"] else {})}


def _queues(settings: Settings) -> list[Queue]:
    """Of several queues RabbitMQ would serve each in turn: there it is one, which sorts."""
    if pushes(settings):
        return [Queue(f"{settings.key_prefix}.turns", max_priority=len(QUEUES))]
    return [Queue(name) for name in QUEUES]


class Dispatcher:
    """Publishes messages from a thread of its own, so that a broker that hangs holds up nobody.

    A message that cannot be sent is dropped: its row stays queued in SQL, where the sweeper finds it.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = celery_app(settings)
        self._app.conf.broker_transport_options |= {
            "max_retries": 0,  # the breaker and the sweeper try again
            "socket_timeout": _SOCKET_SECONDS,
            "socket_connect_timeout": _SOCKET_SECONDS,
            # The same for AMQP:
            "connect_timeout": _SOCKET_SECONDS,
            "read_timeout": _SOCKET_SECONDS,
            "write_timeout": _SOCKET_SECONDS,
        }
        self._sorted = pushes(settings)
        self._waiting: queue.Queue[Turn | None] = queue.Queue(_WAITING_MESSAGES)
        self._closed_until = 0.0
        self._producer: Producer | None = None
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        self._thread.start()

    def dispatch(self, turn: Turn) -> None:
        """Have the turn's message sent; returns at once and never fails."""
        try:
            self._waiting.put_nowait(turn)
        except queue.Full:
            log.warning("dispatch_queue_full", response_id=turn.id)

    def depth(self) -> int:
        """How many messages wait in the broker; raises as the broker does."""
        with self._app.connection_for_read() as connection:
            channel = connection.default_channel
            # On Redis not a passive declaration: kombu looks for the list without our prefix, and finds no empty one.
            return sum(
                channel.queue_declare(one.name, passive=self._sorted).message_count
                for one in self._app.conf.task_queues
            )

    def close(self) -> None:
        """Send what waits, then stop; waits at most a few seconds."""
        self._waiting.put(None)
        self._thread.join(2 * _SOCKET_SECONDS)

    def _run(self) -> None:
        while (turn := self._waiting.get()) is not None:
            self._send(turn)
        self._hang_up()

    def _send(self, turn: Turn) -> None:
        if clock.monotonic() < self._closed_until:
            return
        try:
            with tracing.span("dispatch", kind="producer", parent=turn.traceparent, response_id=turn.id):
                self._publish(turn)
        except Exception as error:  # noqa: BLE001 - each transport raises its own; none may end this thread
            # One timeout is enough for now: what waits behind it stays with SQL instead of timing out one by one.
            self._closed_until = clock.monotonic() + _BREAKER_SECONDS
            outages.failed(RedisUse.DISPATCH, error)
            self._hang_up()
        else:
            outages.worked(RedisUse.DISPATCH)

    def _publish(self, turn: Turn) -> None:
        # As send_task does it, on a connection that stays: routing and pools took half of its time.
        if self._producer is None:
            self._producer = self._app.amqp.Producer(self._app.connection_for_write())
        task = self._app.amqp.create_task_message(turn.id, RUN_TURN, [turn.id], {}, ignore_result=True)
        queue_name = tier_of(turn.request.get("service_tier", "auto")).value
        self._producer.publish(
            task.body, serializer="json", headers=task.headers, **task.properties | self._address(queue_name)
        )

    def _address(self, queue_name: str) -> dict[str, Any]:
        if not self._sorted:
            return {"routing_key": queue_name}
        priority = len(QUEUES) - QUEUES.index(queue_name)
        return {"routing_key": self._app.conf.task_default_queue, "priority": priority}

    def _hang_up(self) -> None:
        producer, self._producer = self._producer, None
        with contextlib.suppress(Exception):
            if producer is not None:
                producer.connection.release()
