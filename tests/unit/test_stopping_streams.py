"""A process that is told to stop lets go at once who can resume elsewhere, and nobody else (G17, G11)."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest

from api import response_stream, sse
from shared.stream.keys import Live
from tests.stored_turns import new_turn

pytestmark = pytest.mark.anyio

SECONDS = 5
WAYS = {
    "created": lambda *of: response_stream.created(*of, keyed=False, waits=False),
    "joined": response_stream.joined,
}


class Stopping:
    """An API process that is told to stop while its readers wait for a next event."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.stopping.set()

    def reader(self, *_: Any) -> Any:
        return SimpleNamespace(batches=self._nothing)

    async def _nothing(self) -> AsyncGenerator[Live | None, None]:
        await asyncio.Event().wait()
        yield None


async def test_a_reader_that_is_slow_to_stop_keeps_nobodys_turn_running() -> None:
    """G19: it may have to leave a channel of a Redis that does not answer."""
    told, redis = asyncio.Event(), asyncio.Event()

    async def slow_to_stop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await redis.wait()

    async def leave() -> None:
        await asyncio.sleep(0)

    delivering = asyncio.create_task(sse.deliver(slow_to_stop(), leave(), asyncio.Event(), told.set))
    async with asyncio.timeout(SECONDS):
        await told.wait()
        redis.set()
        await delivering


async def ignore(_message: Any) -> None:
    pass


async def stay() -> dict[str, str]:
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}


@pytest.mark.parametrize("way", WAYS)
async def test_the_reader_of_a_background_turn_is_let_go(way: str) -> None:
    slot: Any = SimpleNamespace(let_go=lambda: None)
    runtime: Any = Stopping()
    response = WAYS[way](runtime, new_turn(background=True, stream=True), slot)
    # Not `wait_for`: a stream that is cancelled ends as if it had been let go.
    answering = asyncio.create_task(response({}, stay, ignore))
    let_go, _ = await asyncio.wait({answering}, timeout=SECONDS)
    answering.cancel()
    assert let_go
