"""How much later each delta comes than the model server wrote it: one stream at 50 deltas a second."""

from bench.client import connect
from bench.deltas import Tally
from bench.figures import percentiles
from bench.load import stream, turn
from bench.measured import Measured
from bench.stack import Stack

TURNS, CHUNKS, RATE = 2, 300, 50


async def measure(stack: Stack) -> Measured:
    """Milliseconds added per delta."""
    tally = Tally()
    connection = await connect(stack.port)
    for _ in range(TURNS):
        await stream(connection, turn(CHUNKS, RATE, stream=True), CHUNKS, tally)
    connection.close()
    return Measured({"added_ms": percentiles(tally.added_ms)}, tally.deltas, "delta", tally.faults())
