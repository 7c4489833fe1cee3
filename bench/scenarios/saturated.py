"""How many deltas pass when the model server writes as fast as it can: 16 streams at a time."""

from bench.client import Connection
from bench.deltas import Tally
from bench.load import repeat, stream, turn
from bench.measured import Measured
from bench.stack import Stack

STREAMS, CHUNKS = 16, 500
SECONDS = 7.0


async def measure(stack: Stack) -> Measured:
    """Deltas a second, the first second left out; streams still running at the end are cut."""
    tally = Tally(window=(1.0, SECONDS))

    async def one_turn(connection: Connection) -> None:
        await stream(connection, turn(CHUNKS, stream=True), CHUNKS, tally)

    await repeat(stack.port, STREAMS, SECONDS, one_turn)
    return Measured({"deltas_per_s": round(tally.rate())}, tally.deltas, "delta", tally.faults())
