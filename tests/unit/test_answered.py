"""A reader that is told to stop stops, whatever the library in between makes of it (G19)."""

import asyncio
import contextlib

import pytest

from shared.stream.connections import answered

pytestmark = pytest.mark.anyio


async def swallowing(began: asyncio.Event) -> str:
    began.set()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return "answer"


async def test_a_swallowed_cancellation_is_raised_after_all() -> None:
    began = asyncio.Event()
    task = asyncio.create_task(answered(swallowing(began)))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_answer_is_an_answer() -> None:
    async def command() -> str:
        return "answer"

    assert await answered(command()) == "answer"
