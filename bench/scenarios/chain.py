"""What history costs: one chain of 500 turns, each going on from the one before, by `previous_response_id`."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.client import Connection, connect
from bench.figures import percentiles
from bench.load import RESPONSES, turn
from bench.measured import Measured
from bench.stack import Stack

TURNS = 500
WINDOW = 100
ITEMS_A_TURN = 2


async def measure(stack: Stack) -> Measured:
    """Stored bytes and processor time of the first 100 turns beside those of the last 100."""
    connection = await connect(stack.port)
    early, previous = await _turns(stack, connection, WINDOW, None)
    _, previous = await _turns(stack, connection, TURNS - 2 * WINDOW, previous)
    late, _ = await _turns(stack, connection, WINDOW, previous)
    connection.close()
    items_more = (TURNS - WINDOW) * ITEMS_A_TURN
    figures = {
        "early_turn_ms": early["turn_ms"],
        "late_turn_ms": late["turn_ms"],
        "early_bytes_per_turn": early["bytes"],
        "late_bytes_per_turn": late["bytes"],
        "cpu_us_per_history_item": round((late["cpu_ms"] - early["cpu_ms"]) * 1000 / items_more, 2),
    }
    return Measured(figures, TURNS, "turn")


async def _turns(
    stack: Stack, connection: Connection, count: int, previous: str | None
) -> tuple[dict[str, Any], str | None]:
    milliseconds = []
    cpu, stored = sum(stack.processes.used().values()), _bytes(stack.data)
    for _ in range(count):
        started = time.perf_counter()
        status, body = await connection.request("POST", RESPONSES, turn(10, previous_response_id=previous))
        milliseconds.append((time.perf_counter() - started) * 1000)
        if status != 200:
            raise RuntimeError(f"HTTP {status}")
        previous = json.loads(body)["id"]
    used = sum(stack.processes.used().values()) - cpu
    grown = (_bytes(stack.data) - stored) / count
    return {"turn_ms": percentiles(milliseconds), "cpu_ms": used * 1000 / count, "bytes": round(grown)}, previous


def _bytes(data: Path) -> int:
    """The database's size as its readers see it, what is still in the write-ahead log included."""
    with closing(sqlite3.connect(data / "turnstone.sqlite3")) as database:
        pages, size = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)
