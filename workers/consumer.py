"""How a worker takes messages: whatever the broker answers, it is waited for, while turns run on."""

import contextlib
from typing import Any

from celery.utils.threads import bound_open_broker_sockets
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu.connection import Connection

from shared import clock
from shared.backoff import Backoff
from shared.metrics import WORKERS_CONSUMING, RedisUse
from shared.redis_outages import outages
from shared.redis_transport import Transport

_LEAST_SECONDS, _MOST_SECONDS = 0.25, 2.0
# A connection that held for so long was a good one.
_HELD_SECONDS = 10.0
_LOOK_SECONDS = 0.1
# More than a wish for messages takes: its answer may be one.
_CLOSE_SECONDS = 2.0


class PatientConsumer(Consumer):  # type: ignore[misc]  # Celery is partly typed
    """Celery's own ends the worker when a command is answered with an error, as by a full disk or in a failover.

    The connection is dropped, so that the next one resolves the name anew.
    """

    connection: Any  # kombu's; None while there is none

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection_errors += self.channel_errors  # RabbitMQ's; Redis' transport knows none
        self._backoff = Backoff(_LEAST_SECONDS, _MOST_SECONDS)
        self._lost_at = clock.monotonic()

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect, however long it takes."""
        self.first_connection_attempt = False
        conn.ensure_connection(lambda error, _seconds: _tell(error), callback=maybe_shutdown)
        return conn

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Wait a while."""
        _tell(exc)
        self._pause()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Drop the connection and wait a while."""
        _tell(exc)
        connection, self.connection = self.connection, None
        # One that is dead would be waited for.
        bound_open_broker_sockets(connection, _CLOSE_SECONDS)
        with contextlib.suppress(Exception):
            connection.close()
        self._pause()

    def on_ready(self) -> None:
        """Called when the loop begins, each time anew."""
        super().on_ready()
        transport = self.connection and self.connection.transport
        if isinstance(transport, Transport):  # it may yet refuse to hand out messages
            transport.on_answer = _serves
        else:
            _serves()

    def _pause(self) -> None:
        now = clock.monotonic()
        if now - self._lost_at > _HELD_SECONDS:
            self._backoff.reset()
        over_at = now + self._backoff.next_seconds()
        while clock.monotonic() < over_at:
            maybe_shutdown()
            clock.pause(_LOOK_SECONDS)
        self._lost_at = clock.monotonic()


def _serves() -> None:
    WORKERS_CONSUMING.set(1)
    outages.worked(RedisUse.CONSUME)


def _tell(error: Exception) -> None:
    WORKERS_CONSUMING.set(0)
    outages.failed(RedisUse.CONSUME, error)
