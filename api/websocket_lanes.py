"""The order of a connection's messages: one after the other in each lane, lanes side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from api.websocket_messages import Message
from shared.errors import InvalidRequest, Limit, RateLimited

MOST_LANES = 32
MOST_WAITING = 64


@dataclass(slots=True)
class Lanes:
    """Gives messages to `run`, which never raises. A lane exists as long as it has something to do.

    Messages that wait for the one before them take `max_bytes` at most, all together.
    """

    run: Callable[[Message], Awaitable[None]]
    max_bytes: int
    _waiting: dict[str | None, deque[Message]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def put(self, message: Message) -> None:
        """Run the message when its lane comes to it; raises InvalidRequest or RateLimited when there is no room."""
        lane = self._waiting.get(message.stream_id)
        if lane is not None:
            self._refuse_too_many(message)
            lane.append(message)
            return
        if len(self._waiting) >= MOST_LANES:
            text = f"This connection has {MOST_LANES} streams at work, which is its limit."
            raise InvalidRequest(text, "stream_id", "websocket_stream_limit_reached")
        self._waiting[message.stream_id] = deque([message])
        task = asyncio.create_task(self._work_off(message.stream_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Wait until there is nothing more to do."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def break_off(self) -> None:
        """Stop what runs, and forget what waits."""
        for lane in self._waiting.values():
            lane.clear()
        for task in self._tasks:
            task.cancel()
        await self.idle()

    async def _work_off(self, stream_id: str | None) -> None:
        lane = self._waiting[stream_id]
        try:
            while lane:
                await self.run(lane.popleft())
        finally:
            del self._waiting[stream_id]

    def _refuse_too_many(self, message: Message) -> None:
        waiting = [one.size for lane in self._waiting.values() for one in lane]
        if len(waiting) >= MOST_WAITING or sum(waiting) + message.size > self.max_bytes:
            text = "Too many messages wait on this connection. Send them after the responses before them."
            raise RateLimited(text, limit=Limit.WAITING_MESSAGES)
