"""Hears which turns were ended from outside, so that their upstream calls stop at once."""

import asyncio
from collections.abc import Callable

from shared.backoff import Backoff
from shared.metrics import RedisUse
from shared.redis_outages import outages
from shared.stream.condemned import anew_after_refusals
from shared.stream.connections import AsyncRedis
from shared.stream.keys import Keys

_RECONNECT_SECONDS, _LONGEST_RECONNECT_SECONDS = 0.5, 2.0


async def listen_for_cancels(client: AsyncRedis, keys: Keys, stop_turn: Callable[[str], None]) -> None:
    """Call `stop_turn` with each response id announced, for ever; a missed one is found in SQL half a second later."""
    await anew_after_refusals(lambda: _listen(client, keys, stop_turn))


async def _listen(client: AsyncRedis, keys: Keys, stop_turn: Callable[[str], None]) -> None:
    backoff = Backoff(_RECONNECT_SECONDS, _LONGEST_RECONNECT_SECONDS)
    while True:
        pubsub = client.pubsub()
        try:
            await pubsub.subscribe(keys.cancel)
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    outages.worked(RedisUse.CANCELS)
                    backoff.reset()
                elif message["type"] == "message":
                    stop_turn(message["data"].decode())
        except Exception as error:  # noqa: BLE001 - whatever it was: unheard, cancels would wait for a fenced write
            outages.failed(RedisUse.CANCELS, error)
            await asyncio.sleep(backoff.next_seconds())
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it unannotated
