"""Which keys open this server: as SQL had them a few seconds ago at most, so that a revoked key is soon worthless."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

from shared import clock
from shared.core import api_key
from shared.core.api_key import ApiKey, Caller
from shared.errors import Unauthorized
from shared.store import api_keys

ONLY_OWNER: Final = "default"
"""Whose everything is on a server without keys, and the owner of a deployment's first key."""

_EVERYONE: Final = Caller(ONLY_OWNER, admin=True)
_FRESH_SECONDS: Final = 3.0
_PATIENCE_SECONDS: Final = 1.0
_REMEMBERED_SECONDS: Final = 3600.0
_MOST_REMEMBERED: Final = 10_000


class KeyRing:
    """Answers who holds a key. While no key was ever made, everyone is let in: that is for loopback alone.

    `read` runs a store function, as `ApiRuntime.read` does.
    """

    def __init__(self, read: Callable[..., Awaitable[Any]]) -> None:
        self._read = read
        self._open_until = -math.inf
        self._closed = False
        self._known: dict[str, tuple[ApiKey | None, float]] = {}

    async def caller(self, key: str | None) -> Caller:
        """Who holds `key`; raises Unauthorized."""
        if await self.is_open():
            return _EVERYONE
        prefix = api_key.prefix_of(key) if key else None
        found = await self._find(prefix) if prefix else None
        if key is None or found is None or not found.opens(key, clock.now()):
            raise Unauthorized("Incorrect API key provided.", code="invalid_api_key")
        return found.caller

    async def caller_lately(self, key: str | None) -> Caller:
        """As `caller`; while the database is away, who held `key` when it was last asked: for an hour, within a second.

        For figures alone, which are wanted most in an outage.
        """
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self.caller(key)
        except Unauthorized:
            raise
        except Exception:
            if (caller := self._remembered(key)) is None:
                raise
            return caller

    def _remembered(self, key: str | None) -> Caller | None:
        earliest = clock.monotonic() - _REMEMBERED_SECONDS
        if not self._closed:
            return _EVERYONE if self._open_until > earliest else None
        prefix = api_key.prefix_of(key) if key else None
        found, until = self._known.get(prefix or "", (None, -math.inf))
        known = key and found and until > earliest and found.opens(key, clock.now())
        return found.caller if found and known else None

    async def is_open(self) -> bool:
        """Whether no key is needed."""
        if not self._closed and clock.monotonic() >= self._open_until:
            self._closed = await self._read(api_keys.any_exist)
            self._open_until = clock.monotonic() + _FRESH_SECONDS
        return not self._closed

    async def _find(self, prefix: str) -> ApiKey | None:
        found, until = self._known.get(prefix, (None, -math.inf))
        if clock.monotonic() >= until:
            found = await self._read(api_keys.find, prefix)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[prefix] = (found, clock.monotonic() + _FRESH_SECONDS)
        return found
