"""How many short turns are run and stored: 16 clients, foreground, not streamed, 10 chunks each."""

from bench.client import Connection
from bench.load import RESPONSES, repeat, turn
from bench.measured import Measured
from bench.stack import Stack

CLIENTS, CHUNKS = 16, 10
SECONDS = 6.0


async def measure(stack: Stack) -> Measured:
    """Finished turns a second."""
    done = errors = 0

    async def one_turn(connection: Connection) -> None:
        nonlocal done, errors
        status, answer = await connection.request("POST", RESPONSES, turn(CHUNKS))
        done += 1
        errors += status != 200 or b'"status":"completed"' not in answer

    seconds = await repeat(stack.port, CLIENTS, SECONDS, one_turn)
    return Measured({"turns_per_s": round(done / seconds, 1)}, done, "turn", {"errors": errors})
