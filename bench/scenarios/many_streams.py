"""What a delta costs under steady load: 200 streams at 20 deltas a second each."""

import asyncio

from bench.deltas import Tally
from bench.figures import percentiles
from bench.load import streams, turn
from bench.measured import Measured
from bench.processor_time import difference
from bench.stack import Stack

STREAMS, CHUNKS, RATE = 200, 160, 20
RAMP_SECONDS = 1.5
WINDOW = (2.0, 8.0)
LONGEST_SECONDS = 40


async def measure(stack: Stack) -> Measured:
    """Deltas a second, milliseconds added and processor time per delta, inside the window in which all streams run."""
    tally = Tally(WINDOW)
    body = turn(CHUNKS, RATE, stream=True)
    steady = asyncio.create_task(_seconds_used_in_window(stack))
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            await streams(stack.port, STREAMS, body, CHUNKS, RAMP_SECONDS, tally)
    except TimeoutError:
        tally.unfinished = STREAMS - tally.ended
    figures = {
        "offered_per_s": STREAMS * RATE,
        "deltas_per_s": round(tally.rate()),
        "added_ms": percentiles(tally.added_ms),
        "steady_cpu_ms": round(await steady / len(tally.added_ms) * 1000, 3),
    }
    return Measured(figures, tally.deltas, "delta", tally.faults())


async def _seconds_used_in_window(stack: Stack) -> float:
    start, end = WINDOW
    await asyncio.sleep(start)
    before = stack.processes.used()
    await asyncio.sleep(end - start)
    return sum(difference(before, stack.processes.used()).values())
