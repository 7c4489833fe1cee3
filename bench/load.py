"""The kinds of load that scenarios are made of."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench.client import Connection, connect
from bench.deltas import StreamReader, Tally

RESPONSES = "/v1/responses"


def turn(chunks: int, rate: float = 0, **fields: Any) -> dict[str, Any]:
    """The body of a request for `chunks` chunks at `rate` a second."""
    return {"model": "bench", "input": f"[[n={chunks} r={rate:g}]]", **fields}


async def stream(connection: Connection, body: dict[str, Any], expected: int, tally: Tally) -> None:
    """One streamed turn, counted."""
    await read(connection, "POST", RESPONSES, body, expected, tally)


async def read(
    connection: Connection, method: str, path: str, body: dict[str, Any] | None, expected: int, tally: Tally
) -> None:
    """One answer of `expected` chunks, counted."""
    reader = StreamReader(tally)
    status, _ = await connection.request(method, path, body, reader.feed)
    if status == 200:
        reader.end(expected)
    else:
        tally.errors += 1


async def streams(
    port: int, count: int, body: dict[str, Any], expected: int, ramp_seconds: float, tally: Tally
) -> None:
    """That many streams at once, one turn each, begun evenly over `ramp_seconds`."""

    async def one(number: int) -> None:
        await asyncio.sleep(ramp_seconds * number / count)
        connection = await connect(port)
        await stream(connection, body, expected, tally)
        connection.close()

    results = await asyncio.gather(*(one(number) for number in range(count)), return_exceptions=True)
    tally.unfinished += sum(isinstance(result, BaseException) for result in results)


async def repeat(port: int, clients: int, seconds: float, act: Callable[[Connection], Awaitable[None]]) -> float:
    """So many clients, each with a connection of its own, act again and again; the seconds it took.

    What is going on at the end is cut off, not waited for.
    """

    async def client() -> None:
        connection = await connect(port)
        try:
            while True:
                await act(connection)
        finally:
            connection.close()

    started = time.monotonic()
    tasks = [asyncio.create_task(client()) for _ in range(clients)]
    try:
        failed, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
    elapsed = time.monotonic() - started
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in failed:
        task.result()
    return elapsed
