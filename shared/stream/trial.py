"""Whether Redis does what is needed of it: many a one that takes no writes answers to PING."""

import asyncio
from typing import Final

import redis
import redis.asyncio as aioredis

from shared.metrics import RedisUse
from shared.redis_failures import RedisFailure, failure_of
from shared.redis_outages import outages
from shared.stream.connections import OUTAGE
from shared.stream.keys import Keys

_WRITE: Final = "return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])"
_KEPT_MS: Final = 1000
_ANSWER_SECONDS: Final = 2.0


def failure(client: redis.Redis, keys: Keys) -> RedisFailure | None:
    """What is wrong with it; None when it does a script's write and a publish."""
    try:
        with client.pipeline(transaction=False) as pipeline:
            _ask(pipeline, keys)
            pipeline.execute()
    except OUTAGE as error:
        return failure_of(error)
    return None


async def failure_async(client: aioredis.Redis, keys: Keys) -> RedisFailure | None:
    """The same on an event loop, within 2 s; the process takes notice of it."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS), client.pipeline(transaction=False) as pipeline:
            _ask(pipeline, keys)
            await pipeline.execute()
    except OUTAGE as error:
        outages.failed(RedisUse.TRIAL, error)
        return failure_of(error)
    outages.worked(RedisUse.TRIAL)
    return None


def _ask(pipeline: redis.client.Pipeline | aioredis.client.Pipeline, keys: Keys) -> None:
    pipeline.eval(_WRITE, 1, keys.trial, _KEPT_MS)
    pipeline.publish(keys.trial, b"")
