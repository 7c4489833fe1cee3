"""No connection is kept to a server that refuses: a new one resolves the name anew and may reach another."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio as aioredis

from shared.redis_outages import outages

_LOOK_SECONDS = 1.0


def renew_connections(client: redis.Redis) -> redis.Redis:
    """Have the client open each connection anew, before its next use, that is older than the last refusal."""
    pool = client.connection_pool
    pool.connection_class = type("Connection", (_Renewed, pool.connection_class), {})
    return client


def renew_connections_async(client: aioredis.Redis) -> aioredis.Redis:
    """The same for an asyncio client."""
    pool = client.connection_pool
    pool.connection_class = type("Connection", (_RenewedAsync, pool.connection_class), {})
    return client


async def anew_after_refusals(listen: Callable[[], Awaitable[None]]) -> None:
    """Listen for ever, and begin anew a moment after a refusal of whatever the process asked for."""
    while True:
        refusals = outages.refusals
        listener = asyncio.ensure_future(listen())
        try:
            while outages.refusals == refusals and not listener.done():  # noqa: ASYNC110 - other threads meet refusals too
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await _stop(listener)


async def _stop(task: asyncio.Future[None]) -> None:
    # Again and again: redis-py sends with `asyncio.wait_for`, which before Python 3.12 can swallow a cancellation.
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_LOOK_SECONDS)
    await asyncio.gather(task, return_exceptions=True)


# Pools call `connect` before they hand out a connection, opened or not.
class _Renewed:
    _refusals = 0

    def connect(self) -> None:
        if self._refusals != outages.refusals:
            self.disconnect()  # type: ignore[attr-defined]  # of the class it is mixed into
        super().connect()  # type: ignore[misc]

    def _connect(self) -> Any:
        self._refusals = outages.refusals
        return super()._connect()  # type: ignore[misc]


class _RenewedAsync:
    _refusals = 0

    async def connect(self) -> None:
        if self._refusals != outages.refusals:
            await self.disconnect()  # type: ignore[attr-defined]
        await super().connect()  # type: ignore[misc]

    async def _connect(self) -> None:
        self._refusals = outages.refusals
        await super()._connect()  # type: ignore[misc]
