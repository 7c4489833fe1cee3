"""Redis clients, with bounds on every wait: a paused Redis must never hold a turn or a request."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import redis
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared import redis_pool
from shared.core import redis_address
from shared.keepalive import KEEPALIVE_OPTIONS
from shared.stream.condemned import renew_connections, renew_connections_async

_CONNECT_SECONDS = 2
_ANSWER_SECONDS = 2

Redis = redis.Redis
AsyncRedis = aioredis.Redis
RedisError = redis.RedisError
# The asyncio client raises some of its losses as bare OSErrors, and AttributeErrors where a connection vanishes under
# its hands; uvloop says RuntimeError to a write that meets a connection just closed.
OUTAGE = (redis.RedisError, OSError, TimeoutError, RuntimeError, AttributeError)


T = TypeVar("T")


def connect(url: str) -> Redis:
    """A synchronous client, for enders and the doctor; one attempt per command, the caller decides about more."""
    client = redis_pool.client(
        redis_address.parse(url),
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return renew_connections(client)


def connect_async(url: str) -> AsyncRedis:
    """An asyncio client, for event loops. A dropped connection is opened anew once per command."""
    client = redis_pool.async_client(
        redis_address.parse(url),
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        socket_keepalive=True,  # subscribers wait without a timeout
        socket_keepalive_options=KEEPALIVE_OPTIONS,
        protocol=2,
        retry=AsyncRetry(NoBackoff(), 1),
    )
    return renew_connections_async(client)


async def answered(command: Awaitable[T]) -> T:
    """The answer to a command, unless this task was cancelled meanwhile.

    redis-py sends with `asyncio.wait_for`, which before Python 3.12 can swallow a cancellation: a reader whose client
    has left would read on.
    """
    answer = await command
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return answer
