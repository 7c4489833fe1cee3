"""Hears which turns were ended from outside, so that their upstream calls stop at once."""

import asyncio
from collections.abc import Callable

import structlog

from shared.metrics import REDIS_ERRORS, RedisUse
from shared.stream.connections import AsyncRedis
from shared.stream.keys import Keys

_RECONNECT_SECONDS = 0.5

log = structlog.get_logger()


async def listen_for_cancels(client: AsyncRedis, keys: Keys, stop_turn: Callable[[str], None]) -> None:
    """Call `stop_turn` with each response id announced, for ever; a missed one is found in SQL half a second later."""
    while True:
        pubsub = client.pubsub()
        try:
            await pubsub.subscribe(keys.cancel)
            async for message in pubsub.listen():
                if message["type"] == "message":
                    stop_turn(message["data"].decode())
        except Exception as error:  # noqa: BLE001 - whatever it was: unheard, cancels would wait for a fenced write
            REDIS_ERRORS.labels(RedisUse.CANCELS).inc()
            log.warning("cancel_listener_lost", error=type(error).__name__)
            await asyncio.sleep(_RECONNECT_SECONDS)
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it unannotated
