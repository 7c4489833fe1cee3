"""Waiting for what another process does and cannot tell: asked again and again, with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 15.0
_ASK_EVERY_SECONDS = 0.01


def eventually(ask: Callable[[], T], seconds: float = DEADLINE_SECONDS, what: str = "it") -> T:
    """The first true answer; raises TimeoutError with what was waited for and the last one when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}: still {answer!r}")
        time.sleep(_ASK_EVERY_SECONDS)
    return answer


async def eventually_async(ask: Callable[[], Awaitable[T]], seconds: float = DEADLINE_SECONDS) -> T:
    """The same on an event loop."""
    deadline = time.monotonic() + seconds
    while not (answer := await ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {answer!r} after {seconds:g} s")
        await asyncio.sleep(_ASK_EVERY_SECONDS)
    return answer
