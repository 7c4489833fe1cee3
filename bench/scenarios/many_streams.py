"""What a delta costs under steady load: so many streams, each at the pace of a model."""

import asyncio
from dataclasses import dataclass

from bench.deltas import Tally
from bench.figures import percentiles
from bench.load import streams, turn
from bench.measured import Measured
from bench.processor_time import difference
from bench.stack import Stack

RAMP_SECONDS = 1.5
LONGEST_SECONDS = 60


@dataclass(frozen=True)
class ManyStreams:
    """`streams` at `rate` chunks a second each, `chunks` in all; figures are of the time from `begun_seconds`."""

    streams: int
    rate: int
    chunks: int
    begun_seconds: float = 2.0

    async def measure(self, stack: Stack) -> Measured:
        """Deltas a second, milliseconds added and processor time per delta, and the worker's memory."""
        window = (self.begun_seconds, self.chunks / self.rate)
        tally = Tally(window)
        body = turn(self.chunks, self.rate, stream=True)
        steady = asyncio.create_task(_used_in(window, stack))
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await streams(stack.port, self.streams, body, self.chunks, RAMP_SECONDS, tally)
        except TimeoutError:
            tally.unfinished = self.streams - tally.ended
        seconds, megabytes = await steady
        figures = {
            "offered_per_s": self.streams * self.rate,
            "deltas_per_s": round(tally.rate()),
            "added_ms": percentiles(tally.added_ms),
            "steady_cpu_ms": round(seconds / len(tally.added_ms) * 1000, 3),
            "worker_megabytes": megabytes,
        }
        return Measured(figures, tally.deltas, "delta", tally.faults())


async def _used_in(window: tuple[float, float], stack: Stack) -> tuple[float, int]:
    """Processor time within the window, and the worker's memory at its end."""
    start, end = window
    await asyncio.sleep(start)
    before = stack.processes.used()
    await asyncio.sleep(end - start)
    seconds = sum(difference(before, stack.processes.used()).values())
    return seconds, stack.processes.megabytes("worker")
