"""Waiting until something serves."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from shared.cli.errors import CommandError

Check = Callable[[], Awaitable[bool]]

_LOOK_SECONDS = 0.05
_ANSWER_SECONDS = 5


def http_ok(url: str) -> Check:
    """A check that `url` answers 200."""

    async def check() -> bool:
        try:
            timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    return check


async def until(check: Check, seconds: float, name: str) -> None:
    """Return when the check holds; raises CommandError naming who was not ready in time."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                if await check():
                    return
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise CommandError(f"{name} was not ready within {seconds:g} s.") from None
