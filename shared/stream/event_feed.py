"""Live events for one API process: one connection to Redis, fanned out to bounded queues."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable

import structlog

from shared.backoff import Backoff
from shared.metrics import RedisUse
from shared.redis_outages import outages
from shared.stream.condemned import anew_after_refusals
from shared.stream.connections import OUTAGE, AsyncRedis, answered
from shared.stream.keys import Keys, Live

_QUEUE_BYTES = 1024 * 1024
_CONFIRM_SECONDS = 2.0
_RECONNECT_SECONDS, _LONGEST_RECONNECT_SECONDS = 0.5, 2.0

log = structlog.get_logger()


class Subscription:
    """One reader's view of a turn's channel.

    `gap` tells that messages may be missing (overflow, reconnect): read the log again. Memory is bounded by 1 MiB.
    """

    def __init__(self, response_id: str) -> None:
        self.response_id = response_id
        self.gap = False
        self._messages: deque[Live] = deque()
        self._bytes = 0
        self._awake = False
        self._waiter: asyncio.Future[bool] | None = None

    def put(self, message: Live) -> None:
        """Hand over a message; a reader that is too slow loses them all and is told so."""
        self._bytes += len(message.frames)
        if self._bytes > _QUEUE_BYTES:
            self.mark_gap()
        else:
            self._messages.append(message)
            self.wake()

    def mark_gap(self) -> None:
        """Say that messages may be missing."""
        self._messages.clear()
        self._bytes = 0
        self.gap = True
        self.wake()

    def wake(self) -> None:
        """Make the reader look around: something other than a message has happened."""
        self._awake = True
        self._rouse(happened=True)

    async def wait(self, seconds: float) -> bool:
        """Wait until something happened; False when nothing did. For one reader."""
        if self._awake:
            return True
        # Not asyncio.timeout around an Event: a stream waits for each of its deltas, and that costs five times as much.
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._rouse)
        try:
            return await self._waiter
        finally:
            self._waiter = None
            timer.cancel()

    def take(self) -> list[Live]:
        """All messages at hand; clears `gap`, so look at it before."""
        self._awake = False
        self.gap = False
        self._bytes = 0
        messages = list(self._messages)
        self._messages.clear()
        return messages

    def _rouse(self, happened: bool = False) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(happened)


class EventFeed:
    """The process's one subscriber. `start` before use; lives on one event loop."""

    def __init__(self, client: AsyncRedis, keys: Keys, process: str) -> None:
        self._keys = keys
        self._ends = keys.ends(process)
        self._callers: dict[str, Subscription] = {}
        self._pubsub = client.pubsub()
        self._readers: dict[str, set[Subscription]] = {}
        self._confirmed: dict[str, asyncio.Event] = {}
        self._commands = asyncio.Lock()
        self._backoff = Backoff(_RECONNECT_SECONDS, _LONGEST_RECONNECT_SECONDS)
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the connection and listen; a Redis that is down is tried again for ever."""
        self._listener = asyncio.create_task(anew_after_refusals(self._listen), name="event-feed")

    async def close(self) -> None:
        """Stop listening."""
        if self._listener:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        with contextlib.suppress(*OUTAGE):
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it unannotated

    def expect_end(self, response_id: str) -> Subscription:
        """Hear the end of a turn whose `waiter` is this process: no channel of its own, so nothing to wait for."""
        return self._callers.setdefault(response_id, Subscription(response_id))

    async def subscribe(self, response_id: str) -> Subscription:
        """Subscribe and wait for the server's confirmation, at most 2 s: without Redis, the reader lives on SQL."""
        subscription = Subscription(response_id)
        channel = self._keys.live(response_id)
        readers = self._readers.setdefault(channel, set())
        readers.add(subscription)
        try:
            if len(readers) == 1:
                self._confirmed[channel] = asyncio.Event()
                await answered(self._command(self._pubsub.subscribe, channel))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    await self._confirmed[channel].wait()
        except asyncio.CancelledError:
            await self.unsubscribe(subscription)
            raise
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Let go; the channel is left at once when nobody else reads it."""
        if self._callers.get(subscription.response_id) is subscription:
            del self._callers[subscription.response_id]
        channel = self._keys.live(subscription.response_id)
        readers = self._readers.get(channel, set())
        readers.discard(subscription)
        if not readers and channel in self._readers:
            del self._readers[channel], self._confirmed[channel]
            await self._command(self._pubsub.unsubscribe, channel)

    async def _command(self, command: object, channel: str) -> None:
        # One at a time: redis-py opens a connection per caller when several find none.
        async with self._commands:
            try:
                await command(channel)  # type: ignore[operator]  # redis-py types both commands as Any
            except Exception as error:  # noqa: BLE001 - a connection that is just being lost fails in ways of its own
                outages.failed(RedisUse.SUBSCRIBE, error)

    async def _listen(self) -> None:
        while True:
            try:
                await self._resubscribe()
                while True:
                    message = await self._pubsub.get_message(timeout=None)
                    if message is not None:
                        self._receive(message["type"], message["channel"].decode(), message["data"])
            except Exception as error:  # noqa: BLE001 - whatever it was, readers hear nothing until there is a new one
                outages.failed(RedisUse.SUBSCRIBE, error)
            finally:
                self._mark_all()
                await self._let_go()
            await asyncio.sleep(self._backoff.next_seconds())

    async def _resubscribe(self) -> None:
        async with self._commands:
            await self._pubsub.subscribe(self._ends, *self._readers)

    async def _let_go(self) -> None:
        async with self._commands:
            with contextlib.suppress(*OUTAGE):
                await self._pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it unannotated

    def _receive(self, kind: str, channel: str, data: bytes | int) -> None:
        if kind == "message" and isinstance(data, bytes):
            try:
                self._hand_on(channel, data)
            except ValueError:
                log.warning("live_message_malformed", channel=channel)
        elif kind == "subscribe":
            self._confirm(channel)

    def _hand_on(self, channel: str, data: bytes) -> None:
        if channel == self._ends:
            response_id, _, data = data.partition(b"\n")
            caller = self._callers.get(response_id.decode())
            readers: Iterable[Subscription] = (caller,) if caller else ()
        else:
            readers = self._readers.get(channel, ())
        live = Live.decode(data)
        for subscription in readers:
            subscription.put(live)

    def _confirm(self, channel: str) -> None:
        # A second confirmation: the client reconnected by itself, and messages may have passed meanwhile.
        if channel == self._ends:
            outages.worked(RedisUse.SUBSCRIBE)
            self._backoff.reset()
            _mark_gaps(self._callers.values())
        elif channel in self._confirmed:
            if self._confirmed[channel].is_set():
                _mark_gaps(self._readers[channel])
            self._confirmed[channel].set()

    def _mark_all(self) -> None:
        _mark_gaps(self._callers.values())
        for readers in self._readers.values():
            _mark_gaps(readers)


def _mark_gaps(subscriptions: Iterable[Subscription]) -> None:
    for subscription in subscriptions:
        subscription.mark_gap()
