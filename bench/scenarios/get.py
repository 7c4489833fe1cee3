"""How many times a second one finished response can be read: 16 clients."""

import json

from bench.client import Connection, connect
from bench.load import RESPONSES, repeat, turn
from bench.measured import Measured
from bench.stack import Stack

CLIENTS, CHUNKS = 16, 50
SECONDS = 4.0


async def measure(stack: Stack) -> Measured:
    """Answers a second."""
    connection = await connect(stack.port)
    _, created = await connection.request("POST", RESPONSES, turn(CHUNKS))
    connection.close()
    path = f"{RESPONSES}/{json.loads(created)['id']}"
    done = errors = 0

    async def one_get(connection: Connection) -> None:
        nonlocal done, errors
        status, _ = await connection.request("GET", path)
        done += 1
        errors += status != 200

    seconds = await repeat(stack.port, CLIENTS, SECONDS, one_get)
    return Measured({"gets_per_s": round(done / seconds)}, done, "get", {"errors": errors})
