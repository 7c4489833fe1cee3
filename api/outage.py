"""Waiting out a database that is away, for what nobody waits for but must come to pass."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from shared import clock
from shared.store.engine import is_outage

_LONGEST_SECONDS = 120
_PAUSE_SECONDS = 0.5

T = TypeVar("T")
log = structlog.get_logger()


async def outlast(act: Callable[[], Awaitable[T]], event: str, response_id: str) -> T:
    """As `shared.turns.outage.outlast`, holding no thread between the tries."""
    deadline = clock.monotonic() + _LONGEST_SECONDS
    while True:
        try:
            return await act()
        except Exception as error:
            if not is_outage(error) or clock.monotonic() >= deadline:
                raise
            log.warning(event, response_id=response_id, error=type(error).__name__)
        await asyncio.sleep(_PAUSE_SECONDS)
