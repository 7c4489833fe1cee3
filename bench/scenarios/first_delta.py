"""How much later the first delta comes than from the model server itself: one client, one stream after another."""

import re
import time

from bench.client import Connection, connect
from bench.deltas import Tally
from bench.figures import percentiles
from bench.load import stream, turn
from bench.measured import Measured
from bench.stack import Stack

TURNS = 100


async def measure(stack: Stack) -> Measured:
    """Milliseconds from the request to the first delta: the server's own, Turnstone's, difference of medians."""
    direct = await connect(stack.upstream_port)
    own = percentiles([await _first_of_the_server(direct) for _ in range(TURNS)])
    direct.close()
    tally = Tally()
    connection = await connect(stack.port)
    for _ in range(TURNS):
        await stream(connection, turn(1, stream=True), 1, tally)
    connection.close()
    first = percentiles(tally.first_ms)
    figures = {"added_ms": round(first["p50"] - own["p50"], 3), "first_ms": first, "server_first_ms": own}
    return Measured(figures, TURNS, "turn", tally.faults())


async def _first_of_the_server(connection: Connection) -> float:
    body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "[[n=1 r=0]]"}]}
    seen: list[int] = []

    def look(piece: bytes, received_ns: int) -> None:
        if re.search(rb"@\d+:", piece):
            seen.append(received_ns)

    started = time.monotonic_ns()
    await connection.request("POST", "/v1/chat/completions", body, look)
    return (seen[0] - started) / 1e6
