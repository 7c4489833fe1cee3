"""How long until a background turn is stored and its id is back: one client, one request after another."""

import time

from bench.client import connect
from bench.figures import percentiles
from bench.load import RESPONSES, turn
from bench.measured import Measured
from bench.stack import Stack

TURNS = 200


async def measure(stack: Stack) -> Measured:
    """Milliseconds from the request to the whole answer; the turns themselves run meanwhile."""
    connection = await connect(stack.port)
    milliseconds = []
    for _ in range(TURNS):
        started = time.perf_counter()
        status, _ = await connection.request("POST", RESPONSES, turn(10, background=True))
        milliseconds.append((time.perf_counter() - started) * 1000)
        if status != 200:
            raise RuntimeError(f"HTTP {status}")
    connection.close()
    await stack.processes.settle()
    return Measured({"id_ms": percentiles(milliseconds)}, TURNS, "turn")
