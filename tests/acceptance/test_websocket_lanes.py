"""Lanes: responses of one `stream_id` in order, lanes side by side, each event with its lane's name."""

import pytest

from api.websocket_lanes import MOST_LANES, MOST_WAITING
from tests.acceptance.turns import script_gated
from tests.raw_http import numbers
from tests.raw_websocket import RawSocket
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack


def test_lanes_run_side_by_side_and_every_event_names_its_own(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, f"slow {topic}")
    with RawSocket(stack.url()) as socket:
        socket.create(input=f"slow {topic}", stream_id="slow")
        slow = socket.until("response.output_text.delta")
        for lane in ("a", "b.1", "c_2-x"):
            assert socket.ask(input="quick", stream_id=lane)["stream_id"] == lane
        assert socket.ask(input="quick")["type"] == "response.completed"
        upstream.open(f"slow {topic}")
        slow += socket.turn()
    assert {event["stream_id"] for event in slow} == {"slow"}
    assert numbers(slow) == list(range(len(slow)))
    assert slow[-1]["type"] == "response.completed"


def test_events_without_a_lane_name_none(stack: Stack) -> None:
    with RawSocket(stack.url()) as socket:
        socket.create(input="hi")
        assert all("stream_id" not in event for event in socket.turn())


def test_a_lane_keeps_the_order_in_which_its_messages_were_sent_refusals_included(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    with RawSocket(stack.url()) as socket:
        socket.create(input=topic, stream_id="a")
        socket.until("response.output_text.delta")
        socket.create(input="x", temperature=5, stream_id="a")
        socket.create(input="last", stream_id="a")
        upstream.open(topic)
        ends = [socket.turn()[-1] for _ in range(3)]
    assert [end["type"] for end in ends] == ["response.completed", "error", "response.completed"]
    assert ends[1]["error"]["param"] == "temperature"
    assert {end["stream_id"] for end in ends} == {"a"}


def test_a_lane_may_go_on_from_a_response_of_another_that_still_runs(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    with RawSocket(stack.url()) as socket:
        socket.create(input=topic, stream_id="a", store=False)
        parent = socket.until("response.output_text.delta")[0]["response"]["id"]
        socket.create(input="and then", stream_id="b", previous_response_id=parent)
        child = socket.next_event()
        assert (child["type"], child["stream_id"]) == ("response.created", "b")
        upstream.open(topic)
        ends = {end["stream_id"]: end["type"] for end in (socket.turn()[-1] for _ in range(2))}
    assert ends == {"a": "response.completed", "b": "response.completed"}


@pytest.mark.parametrize("lane", ["", "a b", "ä", "x" * 257, 5, ["a"]])
def test_a_lane_has_a_name_of_letters_digits_and_a_few_signs(stack: Stack, lane: object) -> None:
    with RawSocket(stack.url()) as socket:
        refused = socket.ask(input="x", stream_id=lane)
    assert refused["error"]["param"] == "stream_id"
    assert "stream_id" not in refused


def test_lanes_at_work_are_bounded(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    with RawSocket(stack.url()) as socket:
        for number in range(MOST_LANES):
            socket.create(input=topic, stream_id=f"lane{number}")
        socket.create(input=topic, stream_id="more")
        refused = socket.until("error")[-1]
        assert (refused["status"], refused["stream_id"]) == (400, "more")
        assert refused["error"]["code"] == "websocket_stream_limit_reached"
        assert refused["error"]["param"] == "stream_id"
        upstream.open(topic)
        ends = [socket.turn()[-1]["type"] for _ in range(MOST_LANES)]
        assert set(ends) == {"response.completed"}
        assert socket.ask(input="room again", stream_id="more")["type"] == "response.completed"


def test_waiting_messages_are_bounded(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    with RawSocket(stack.url()) as socket:
        socket.create(input=topic)
        socket.until("response.output_text.delta")
        for _ in range(MOST_WAITING + 1):
            socket.create(input="x")
        refused = socket.next_event()
        assert (refused["status"], refused["error"]["code"]) == (429, "rate_limit_exceeded")
        assert int(refused["error"]["headers"]["retry-after"]) >= 1
        upstream.open(topic)
        assert [socket.turn()[-1]["type"] for _ in range(MOST_WAITING + 1)] == ["response.completed"] * (
            MOST_WAITING + 1
        )
