"""What SQL knows, for metrics: asked for when they are read, of all processes of all hosts at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared import clock
from shared.core.service_tier import Tier
from shared.store import server_state
from shared.store.queue_state import TierState
from shared.store.server_state import ServerState

_FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0

log = structlog.get_logger()


class QueueFigures(Collector):
    """The gauges of one reading; without the state, which the database did not tell in time, only that it did not."""

    def __init__(self, state: ServerState | None) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """The gauges."""
        told = "Whether the database told the following within a second."
        yield GaugeMetricFamily("turnstone_database_up", told, float(self._state is not None))
        yield from (self._queued(), self._oldest(), self._running(), self._processes())

    def _queued(self) -> Metric:
        gauge = GaugeMetricFamily(
            "turnstone_queued_turns", "Queued turns, by what they wait for.", labels=["tier", "waiting_for"]
        )
        for tier, state in self._tiers():
            for waiting, turns in state.queued.items():
                gauge.add_metric([tier, waiting], turns.turns)
        return gauge

    def _oldest(self) -> Metric:
        gauge = GaugeMetricFamily(
            "turnstone_oldest_queued_seconds",
            "For how long the first of them has waited for it; 0 if there is none.",
            labels=["tier", "waiting_for"],
        )
        for tier, state in self._tiers():
            for waiting, turns in state.queued.items():
                gauge.add_metric([tier, waiting], turns.oldest_seconds)
        return gauge

    def _running(self) -> Metric:
        text = "Turns that were claimed and have not ended."
        gauge = GaugeMetricFamily("turnstone_running_turns", text, labels=["tier"])
        for tier, state in self._tiers():
            gauge.add_metric([tier], state.running)
        return gauge

    def _processes(self) -> Metric:
        text = "Processes that have said in the last quarter of a minute that they live."
        gauge = GaugeMetricFamily("turnstone_live_processes", text, labels=["kind"])
        if self._state is not None:
            gauge.add_metric(["worker"], len(self._state.workers))
            gauge.add_metric(["api"], len(self._state.api_processes))
        return gauge

    def _tiers(self) -> Iterable[tuple[Tier, TierState]]:
        return self._state.tiers.items() if self._state is not None else ()


class QueueWatch:
    """Reads the state at most once a second, however often it is asked; one read at a time.

    `read` runs a store function, as `ApiRuntime.read` does.
    """

    def __init__(self, read: Callable[..., Awaitable[Any]]) -> None:
        self._read = read
        self._reading: asyncio.Task[ServerState | None] | None = None
        self._asked_at = 0.0

    async def figures(self) -> QueueFigures:
        """The figures, within a second, whatever the database does."""
        if self._reading is None or (self._reading.done() and clock.monotonic() - self._asked_at >= _FRESH_SECONDS):
            self._asked_at = clock.monotonic()
            self._reading = asyncio.create_task(self._load(), name="queue-state")
        await asyncio.wait([self._reading], timeout=_PATIENCE_SECONDS)
        return QueueFigures(self._reading.result() if self._reading.done() else None)

    async def _load(self) -> ServerState | None:
        try:
            state: ServerState = await self._read(server_state.load)
        except Exception as error:  # noqa: BLE001 - whatever it is: figures are told without it
            log.warning("queue_state_unknown", error=type(error).__name__)
            return None
        return state
