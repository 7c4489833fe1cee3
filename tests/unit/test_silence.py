"""Q7: silence is the upstream's, never the reader's."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol

from shared.upstream.silence import SilenceWatch


class HandTurnedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock the test moves on."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    async def start(self, read: Coroutine[Any, Any, bytes]) -> asyncio.Task[bytes]:
        """The read, already waiting."""
        task = self.create_task(read)
        await self.pass_seconds(0)
        return task

    async def pass_seconds(self, seconds: float) -> None:
        self.ahead += seconds
        for _ in range(3):  # timers that are due, then whom they wake
            await asyncio.sleep(0)


def on_a_hand_turned_loop(test: Callable[[HandTurnedLoop, aiohttp.StreamReader], Coroutine[Any, Any, None]]) -> None:
    loop = HandTurnedLoop()
    try:
        connection = BaseProtocol(loop)
        connection.connection_made(asyncio.Transport())
        content = aiohttp.StreamReader(connection, 2**16, loop=loop)
        loop.run_until_complete(test(loop, content))
    finally:
        loop.close()


def test_a_read_that_waits_too_long_fails() -> None:
    async def silence(loop: HandTurnedLoop, content: aiohttp.StreamReader) -> None:
        with SilenceWatch(content, 100) as watch:
            await loop.pass_seconds(70)
            reading = await loop.start(watch.read())
            await loop.pass_seconds(70)
            assert not reading.done(), "it has waited for 70 seconds only"
            await loop.pass_seconds(31)
            with pytest.raises(TimeoutError):
                reading.result()

    on_a_hand_turned_loop(silence)


def test_time_the_reader_spends_elsewhere_does_not_count() -> None:
    async def slow_reader(loop: HandTurnedLoop, content: aiohttp.StreamReader) -> None:
        with SilenceWatch(content, 100) as watch:
            for _ in range(3):
                await loop.pass_seconds(1000)
                content.feed_data(b"more")
                assert await watch.read() == b"more"

    on_a_hand_turned_loop(slow_reader)


def test_every_byte_starts_the_wait_anew() -> None:
    async def trickle(loop: HandTurnedLoop, content: aiohttp.StreamReader) -> None:
        with SilenceWatch(content, 100) as watch:
            for _ in range(3):
                reading = await loop.start(watch.read())
                await loop.pass_seconds(90)
                content.feed_data(b"more")
                assert await reading == b"more"

    on_a_hand_turned_loop(trickle)
