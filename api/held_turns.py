"""Unstored turns that a live connection may go on from: as long as it lives, they are not erased."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

# An unstored turn is erased a minute after its end, unless it is held by then.
HELD_SECONDS = 60
_EVERY_SECONDS = 20
_AT_ONCE = 500

log = structlog.get_logger()


class HeldTurns:
    """The process's; `hold` keeps some turns, and all they go on from, for `HELD_SECONDS`."""

    def __init__(self, hold: Callable[[Sequence[str]], Awaitable[None]]) -> None:
        self._hold = hold
        self._held: set[str] = set()

    def add(self, response_id: str) -> None:
        """Hold a turn from now on."""
        self._held.add(response_id)

    def let_go(self, response_id: str) -> None:
        """Hold it no more: it is erased within about a minute."""
        self._held.discard(response_id)

    async def run(self) -> None:
        """Hold for ever."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self._hold_once()
            except Exception as error:  # noqa: BLE001 - the database is away; nothing is erased until it is back
                log.warning("hold_failed", error=type(error).__name__)

    async def _hold_once(self) -> None:
        held = sorted(self._held)
        for start in range(0, len(held), _AT_ONCE):
            await self._hold(held[start : start + _AT_ONCE])
