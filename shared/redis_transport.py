"""Kombu's Redis transport without its own safety net: SQL is ours, and it finds what a broker loses.

Kombu keeps a copy of each message until it is acknowledged and deletes it again, and builds a new client for every
command. Both together took more processor time than all else that Celery does for a turn.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from queue import Empty
from typing import Any

from kombu.transport import redis, virtual
from redis.exceptions import RedisError

from shared import redis_pool
from shared.core.redis_address import RedisAddress

ADDRESS = "address"
"""The transport option with the RedisAddress, in the place of what kombu reads out of a URL."""


class _QoS(redis.QoS):
    """Counts what is delivered, in memory alone: who takes a message has it, and no other worker gets it later."""

    restore_at_shutdown = False

    def append(self, message: Any, delivery_tag: str) -> None:
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: ARG002 - kombu's signature
        virtual.QoS.ack(self, delivery_tag)

    def restore_visible(self, *_: Any, **__: Any) -> None:
        pass


class _Channel(redis.Channel):
    QoS = _QoS

    @property
    def _address(self) -> RedisAddress:
        address: RedisAddress = self.connection.client.transport_options[ADDRESS]
        return address

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        self.connection_class = redis_pool.connection_class(self._address)
        return redis_pool.parameters(self._address, super()._connparams(asynchronous))  # type: ignore[no-untyped-call]  # kombu is partly typed

    def _get_pool(self, asynchronous: bool = False) -> Any:
        if not self._address.service_name:
            return super()._get_pool(asynchronous)  # type: ignore[no-untyped-call]  # kombu is partly typed
        params = self._connparams(asynchronous)
        self.keyprefix_fanout = self.keyprefix_fanout.format(db=params["db"])
        pool = redis_pool.sentinel_pool(self._address, **params)
        # Kombu closes what it finds under these names.
        setattr(self, "_async_sentinel_manager" if asynchronous else "_sentinel_manager", pool.sentinel_manager)
        return pool

    @cached_property
    def _commands(self) -> Any:
        return self._create_client()  # type: ignore[no-untyped-call]  # kombu is partly typed

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        yield client or self._commands

    def _subscribe(self) -> None:
        """Subscribe to names as such: as patterns, a user whose channels are limited may have none of them."""
        topics: Callable[[str], list[str]] = self._get_subscribe_topics
        wanted = [topic for queue in self.active_fanout_queues for topic in topics(queue)]
        if not wanted:
            return
        client = self.subclient
        if client.connection._sock is None:
            client.connection.connect()
        self._in_listen = client.connection
        patterns = [one for one in wanted if "*" in one]
        if names := [one for one in wanted if "*" not in one]:
            client.subscribe(*names)
        if patterns:
            client.psubscribe(*patterns)

    def _brpop_read(self, **options: Any) -> Any:
        try:
            delivered = super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except Empty:
            self.connection.on_answer()
            raise
        self.connection.on_answer()
        return delivered


class Transport(redis.Transport):
    """For every Redis, wherever it is.

    An error that Redis answers is a lost connection: whoever retries one retries the other, on a new connection.
    `on_answer` is called whenever Redis has answered to the wish for messages.
    """

    Channel = _Channel
    connection_errors = (*redis.Transport.connection_errors, RedisError)
    on_answer: Callable[[], None] = staticmethod(lambda: None)
