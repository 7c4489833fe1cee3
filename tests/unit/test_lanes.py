"""The order of messages: one after the other in each lane, lanes side by side, and not more than there is room for."""

import asyncio

import pytest

from api.websocket_lanes import MOST_LANES, MOST_WAITING, Lanes
from api.websocket_messages import Message
from shared.errors import InvalidRequest, RateLimited

pytestmark = pytest.mark.anyio

MAX_BYTES = 1000


class Turns:
    """Runs messages until each is let go; remembers what began, in order."""

    def __init__(self) -> None:
        self.lanes = Lanes(self._run, MAX_BYTES)
        self.began: list[object] = []
        self.over: list[object] = []
        self._gates: dict[object, asyncio.Event] = {}

    def put(self, name: str, lane: str | None = None, size: int = 1) -> None:
        self.lanes.put(Message("response.create", lane, {"name": name}, size))

    async def finish(self, name: str) -> None:
        await turn_around()
        self._gate(name).set()
        await turn_around()

    async def _run(self, message: Message) -> None:
        name = message.fields["name"]
        self.began.append(name)
        await self._gate(name).wait()
        self.over.append(name)

    def _gate(self, name: object) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())


async def turn_around() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def turns() -> Turns:
    return Turns()


async def test_a_lane_begins_the_next_message_when_the_one_before_is_over(turns: Turns) -> None:
    for name in ("1", "2", "3"):
        turns.put(name)
    await turn_around()
    assert turns.began == ["1"]
    await turns.finish("1")
    assert turns.began == ["1", "2"]
    await turns.finish("3")
    assert turns.over == ["1"]
    await turns.finish("2")
    assert turns.over == ["1", "2", "3"]
    await turns.lanes.idle()


async def test_lanes_do_not_wait_for_one_another(turns: Turns) -> None:
    turns.put("slow", "a")
    turns.put("behind", "a")
    turns.put("quick", "b")
    turns.put("default")
    await turns.finish("quick")
    assert turns.began == ["slow", "quick", "default"]
    assert turns.over == ["quick"]
    await turns.lanes.break_off()


async def test_only_lanes_at_work_count(turns: Turns) -> None:
    for number in range(MOST_LANES):
        turns.put("turn", str(number))
    with pytest.raises(InvalidRequest) as caught:
        turns.put("one too many", "more")
    assert (caught.value.param, caught.value.code) == ("stream_id", "websocket_stream_limit_reached")
    await turns.finish("turn")
    turns.put("another", "more")
    await turns.finish("another")
    assert turns.over[-1] == "another"


async def test_waiting_messages_are_counted_over_all_lanes(turns: Turns) -> None:
    for lane in ("a", "b"):
        turns.put("runs", lane)
        await turn_around()
        for _ in range(MOST_WAITING // 2):
            turns.put("waits", lane)
    with pytest.raises(RateLimited):
        turns.put("one too many", "a")
    turns.put("has a lane of its own", "c")
    await turns.lanes.break_off()


async def test_waiting_messages_are_bounded_in_bytes(turns: Turns) -> None:
    turns.put("runs", size=MAX_BYTES)
    await turn_around()
    turns.put("waits", size=MAX_BYTES - 1)
    turns.put("waits", size=1)
    with pytest.raises(RateLimited):
        turns.put("no room", size=1)
    await turns.lanes.break_off()


async def test_breaking_off_stops_what_runs_and_begins_nothing_more(turns: Turns) -> None:
    for lane in ("a", "b"):
        turns.put(f"runs {lane}", lane)
        turns.put(f"waits {lane}", lane)
    await turn_around()
    await turns.lanes.break_off()
    assert turns.began == ["runs a", "runs b"]
    assert turns.over == []
