"""How many requests an owner makes: counted in Redis for all processes, and in each by itself while Redis is away."""

import asyncio
import math
from typing import Final

from shared import clock
from shared.errors import Limit, RateLimited
from shared.metrics import RedisUse
from shared.redis_outages import outages
from shared.stream.connections import OUTAGE, AsyncRedis, answered
from shared.stream.keys import Keys
from shared.stream.scripts import COUNT

_WINDOW_SECONDS: Final = 60
_ANSWER_SECONDS: Final = 0.5
_AWAY_SECONDS: Final = 5.0


class RequestRate:
    """Lets an owner make `most` requests in a minute, which begins with the first; 0: any number, and nobody counts."""

    def __init__(self, client: AsyncRedis, keys: Keys, most: int) -> None:
        self._keys = keys
        self._most = most
        self._script = client.register_script(COUNT)
        self._away_until = 0.0
        self._here: dict[str, tuple[int, float]] = {}

    async def admit(self, owner: str) -> None:
        """Count a request; raises RateLimited, which says when the minute is over."""
        if not self._most:
            return
        count, seconds_left = await self._count(owner)
        if count > self._most:
            text = f"More than {self._most} requests in a minute. Try again later."
            raise RateLimited(text, max(1, math.ceil(seconds_left)), Limit.REQUESTS_PER_MINUTE)

    async def _count(self, owner: str) -> tuple[int, float]:
        """The number of this request in its minute, and the seconds to the end of that."""
        if clock.monotonic() < self._away_until:
            return self._count_here(owner)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                count, left = await answered(self._script([self._keys.requests(owner)], [_WINDOW_SECONDS * 1000]))
        except OUTAGE as error:
            outages.failed(RedisUse.REQUEST_RATE, error)
            self._away_until = clock.monotonic() + _AWAY_SECONDS
            return self._count_here(owner)
        outages.worked(RedisUse.REQUEST_RATE)
        return count, left / 1000

    def _count_here(self, owner: str) -> tuple[int, float]:
        now = clock.monotonic()
        count, until = self._here.get(owner, (0, 0.0))
        if now >= until:
            self._here = {one: window for one, window in self._here.items() if now < window[1]}
            count, until = 0, now + _WINDOW_SECONDS
        self._here[owner] = (count + 1, until)
        return count + 1, until - now
