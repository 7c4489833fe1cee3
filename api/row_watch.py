"""The batched look at rows: once a second for all streams of the process, so that each ends even without Redis."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from shared.store.responses import Sight
from shared.stream.event_feed import Subscription

_EVERY_SECONDS = 1.0
_AT_ONCE = 500

log = structlog.get_logger()


class RowWatch:
    """Wakes the subscriptions whose turns have ended, are gone, or went on to another attempt."""

    def __init__(self, look: Callable[[Sequence[str]], Awaitable[dict[str, Sight]]]) -> None:
        self._look = look
        self._watched: dict[Subscription, str] = {}
        self._ended: set[Subscription] = set()
        self._works: dict[Subscription, int] = {}

    def add(self, subscription: Subscription) -> None:
        """Watch the row behind a subscription."""
        self._watched[subscription] = subscription.response_id

    def remove(self, subscription: Subscription) -> None:
        """Watch it no more."""
        self._watched.pop(subscription, None)
        self._ended.discard(subscription)
        self._works.pop(subscription, None)

    def ended(self, subscription: Subscription) -> bool:
        """Whether a look has found that the turn has ended, or is gone."""
        return subscription in self._ended

    def work(self, subscription: Subscription) -> int:
        """The attempt whose events counted at the last look; 0 before the first."""
        return self._works.get(subscription, 0)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self._look_once()
            except Exception as error:  # noqa: BLE001 - the database is away; the next look may find it
                log.warning("row_watch_failed", error=type(error).__name__)

    async def _look_once(self) -> None:
        watched = dict(self._watched)
        response_ids = sorted(set(watched.values()))
        sights: dict[str, Sight] = {}
        for start in range(0, len(response_ids), _AT_ONCE):
            sights |= await self._look(response_ids[start : start + _AT_ONCE])
        for subscription, response_id in watched.items():
            if subscription in self._watched:
                self._note(subscription, sights.get(response_id))

    def _note(self, subscription: Subscription, sight: Sight | None) -> None:
        if sight is None or sight.terminal:
            self._ended.add(subscription)
            subscription.wake()
        elif sight.work > self.work(subscription):
            self._works[subscription] = sight.work
            subscription.wake()
