"""What SQL knows of the queue, for metrics: asked for when they are read, for all processes of all hosts at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared import clock
from shared.core.service_tier import Tier
from shared.store import queue_state
from shared.store.queue_state import TierState

_FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0

log = structlog.get_logger()

State = Mapping[Tier, TierState]


class QueueFigures(Collector):
    """The gauges of one reading; without the state, which the database did not tell in time, only that it did not."""

    def __init__(self, state: State | None) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """The gauges."""
        told = "Whether the database told the state of the queue within a second."
        yield GaugeMetricFamily("turnstone_database_up", told, float(self._state is not None))
        queued = GaugeMetricFamily(
            "turnstone_queued_turns", "Queued turns, by what they wait for.", labels=["tier", "waiting_for"]
        )
        oldest = GaugeMetricFamily(
            "turnstone_oldest_queued_seconds",
            "For how long the first of them has waited for it; 0 if there is none.",
            labels=["tier", "waiting_for"],
        )
        running = GaugeMetricFamily(
            "turnstone_running_turns", "Turns that were claimed and have not ended.", labels=["tier"]
        )
        for tier, state in (self._state or {}).items():
            running.add_metric([tier], state.running)
            for waiting, turns in state.queued.items():
                queued.add_metric([tier, waiting], turns.turns)
                oldest.add_metric([tier, waiting], turns.oldest_seconds)
        yield from (queued, oldest, running)


class QueueWatch:
    """Reads the state at most once a second, however often it is asked; one read at a time.

    `read` runs a store function, as `ApiRuntime.read` does.
    """

    def __init__(self, read: Callable[..., Awaitable[Any]]) -> None:
        self._read = read
        self._reading: asyncio.Task[State | None] | None = None
        self._asked_at = 0.0

    async def figures(self) -> QueueFigures:
        """The figures, within a second, whatever the database does."""
        if self._reading is None or (self._reading.done() and clock.monotonic() - self._asked_at >= _FRESH_SECONDS):
            self._asked_at = clock.monotonic()
            self._reading = asyncio.create_task(self._load(), name="queue-state")
        await asyncio.wait([self._reading], timeout=_PATIENCE_SECONDS)
        return QueueFigures(self._reading.result() if self._reading.done() else None)

    async def _load(self) -> State | None:
        try:
            state: State = await self._read(queue_state.load)
        except Exception as error:  # noqa: BLE001 - whatever it is: figures are told without it
            log.warning("queue_state_unknown", error=type(error).__name__)
            return None
        return state
