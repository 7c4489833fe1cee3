"""A connection remembers its latest unstored responses, and holds just those."""

from collections.abc import Sequence

import pytest

from api.held_turns import HeldTurns
from api.websocket_memory import MOST_REMEMBERED, ConnectionMemory


class Held(HeldTurns):
    """What the process holds, to be looked at."""

    def __init__(self) -> None:
        async def hold(_response_ids: Sequence[str]) -> None: ...

        super().__init__(hold)

    @property
    def now(self) -> set[str]:
        return self._held


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def memory(held: Held) -> ConnectionMemory:
    return ConnectionMemory(held)


def test_it_knows_what_it_was_told_and_holds_it(memory: ConnectionMemory, held: Held) -> None:
    memory.remember("resp_1")
    assert "resp_1" in memory
    assert "resp_2" not in memory
    assert None not in memory
    assert held.now == {"resp_1"}


def test_it_forgets_the_oldest_of_too_many(memory: ConnectionMemory, held: Held) -> None:
    for number in range(MOST_REMEMBERED + 1):
        memory.remember(f"resp_{number}")
    assert "resp_0" not in memory
    assert "resp_1" in memory
    assert len(held.now) == MOST_REMEMBERED


@pytest.mark.parametrize("anything", [None, 5, ["resp_1"], {"id": "resp_1"}, "resp_2"])
def test_it_can_be_told_to_forget_whatever_a_client_has_named(
    memory: ConnectionMemory, held: Held, anything: object
) -> None:
    memory.remember("resp_1")
    memory.forget(anything)
    assert held.now == {"resp_1"}


def test_it_lets_go_only_of_its_own(memory: ConnectionMemory, held: Held) -> None:
    """What another connection made is not this one's to give up."""
    other = ConnectionMemory(held)
    other.remember("resp_2")
    memory.remember("resp_1")
    memory.forget("resp_2")
    memory.clear()
    assert held.now == {"resp_2"}
