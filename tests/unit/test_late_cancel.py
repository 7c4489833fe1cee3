"""A cancel that was overtaken by the turn's own end says so, as any later one would (G20)."""

from types import SimpleNamespace
from typing import Any

import pytest

from api import responses
from shared.core.turn_status import Status
from shared.errors import InvalidRequest
from shared.store.responses import Stored
from tests.stored_turns import OWNER, new_turn

pytestmark = pytest.mark.anyio


class Overtaken:
    """An API process that sees a turn run, and finds it completed once it has tried to end it."""

    settings = SimpleNamespace(cancel_wait_seconds=3)
    ender = SimpleNamespace(begin=None)

    def __init__(self) -> None:
        self.status = Status.IN_PROGRESS

    async def read_now(self, *_: Any) -> Stored:
        body = None if self.status is Status.IN_PROGRESS else "{}"
        return Stored(new_turn(status=self.status, attempt=1), body)

    async def begin_end(self, *_: Any) -> None:
        self.status = Status.COMPLETED


class Lost(Overtaken):
    """One whose sweeper has begun to fail the turn, after its worker was lost."""

    async def read_now(self, *_: Any) -> Stored:
        return Stored(new_turn(status=Status.IN_PROGRESS, attempt=2, ending="failed"), None)


async def test_a_turn_that_is_being_failed_is_not_said_to_be_cancelled() -> None:
    """A 200 means cancelled."""
    runtime: Any = Lost()
    with pytest.raises(InvalidRequest, match="Cannot cancel a failed response"):
        await responses.cancel("resp_1", runtime, OWNER)


async def test_a_cancel_that_comes_too_late_is_refused() -> None:
    runtime: Any = Overtaken()
    with pytest.raises(InvalidRequest, match="Cannot cancel a completed response"):
        await responses.cancel("resp_1", runtime, OWNER)
