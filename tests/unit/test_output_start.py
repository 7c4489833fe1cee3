"""Output starts in SQL, and only after the append that sets the fence (G3, G5)."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import pytest

from shared.core.chunks import Chunk, Text
from shared.core.context import Context
from shared.core.turn_status import Status
from shared.wire.items import Item
from tests.stored_turns import new_turn
from workers.attempt import Attempt, TurnLost
from workers.publisher import Publisher, TurnLog

pytestmark = pytest.mark.anyio
SECONDS = 30


class Answering:
    """An upstream that says one word."""

    async def stream(self, _request: Mapping[str, Any], _items: Sequence[Item]) -> AsyncGenerator[list[Chunk], None]:
        yield [Text("word")]


class Noting(Publisher):
    """Notes what is appended; Redis has answered when `answer` is called."""

    def __init__(self, steps: list[str]) -> None:
        self._steps = steps
        self.appended = asyncio.Event()

    def append(self, turn_log: TurnLog, frames: list[bytes]) -> None:
        turn_log.frames.extend(frames)
        self._steps.append("append")
        self.appended.set()

    def drop(self, turn_log: TurnLog) -> None:
        self._steps.append("drop")


async def run_until_appended(*, may_start: bool) -> tuple[Attempt, asyncio.Task[Any], list[str]]:
    steps: list[str] = []

    async def start_output(_turn: object) -> bool:
        steps.append("output start")
        return may_start

    turn = new_turn(status=Status.IN_PROGRESS, attempt=1)
    publisher = Noting(steps)
    attempt = Attempt(turn, publisher, start_output)
    attempt.open()
    running = asyncio.create_task(attempt.run(Answering(), Context([], []), SECONDS))  # type: ignore[arg-type]
    await publisher.appended.wait()
    for _ in range(100):  # whatever it could do without an answer, it has done now
        await asyncio.sleep(0)
    return attempt, running, steps


async def test_output_waits_for_the_answer_to_the_first_append() -> None:
    """Or an append after a cancel, its freeze and a flush would set the fence back and let output follow."""
    attempt, running, steps = await run_until_appended(may_start=True)
    assert steps == ["append"]
    attempt.log.begun.set()
    await running
    assert steps[:3] == ["append", "output start", "append"]


async def test_nothing_is_published_when_sql_refuses_the_start() -> None:
    attempt, running, steps = await run_until_appended(may_start=False)
    attempt.log.begun.set()
    with pytest.raises(TurnLost):
        await running
    assert steps == ["append", "output start"]


async def test_a_turn_that_is_lost_meanwhile_does_not_wait_on() -> None:
    attempt, running, steps = await run_until_appended(may_start=True)
    attempt.lose()
    with pytest.raises(TurnLost):
        await running
    assert steps == ["append", "drop"]
