"""What it costs to be read: 4,000 readers of one turn that says a word a second."""

import asyncio
import json

from bench.client import connect
from bench.deltas import Tally
from bench.figures import percentiles
from bench.load import RESPONSES, read, turn
from bench.measured import Measured
from bench.stack import Stack

READERS, CHUNKS = 4000, 40
OPEN_SECONDS = 20.0
LONGEST_SECONDS = 120


async def measure(stack: Stack) -> Measured:
    """Milliseconds added per delta once all are there, and the API's memory with them."""
    tally = Tally((OPEN_SECONDS, CHUNKS))
    connection = await connect(stack.port)
    _, made = await connection.request("POST", RESPONSES, turn(CHUNKS, 1, background=True))
    connection.close()
    path = f"{RESPONSES}/{json.loads(made)['id']}?stream=true"
    reading = asyncio.gather(*(_read(stack, path, number, tally) for number in range(READERS)))
    await asyncio.sleep(CHUNKS - 2)
    megabytes = stack.processes.megabytes("api")
    async with asyncio.timeout(LONGEST_SECONDS):
        await reading
    figures = {"readers": tally.ended, "added_ms": percentiles(tally.added_ms), "api_megabytes": megabytes}
    return Measured(figures, tally.deltas, "delta", tally.faults())


async def _read(stack: Stack, path: str, number: int, tally: Tally) -> None:
    await asyncio.sleep(OPEN_SECONDS * 0.8 * number / READERS)
    connection = await connect(stack.port)
    await read(connection, "GET", path, None, CHUNKS, tally)
    connection.close()
