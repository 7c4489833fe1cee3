"""Cancelling: it really stops the model, it stands for ever, and what was said is kept (Q3, R11, G20)."""

import time

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.acceptance.turns import answer, ended, script_gated
from tests.raw_http import DONE, RawStream, numbers, text_of
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Gate, Think, ToolPiece

CLOSE_SECONDS = 1.0


def test_cancel_closes_the_call_to_the_model_within_a_second(
    client: OpenAI, other: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """Q3: from any API process."""
    script_gated(upstream, topic)
    turn = client.responses.create(model="m", input=topic, background=True)
    call = upstream.wait_at(topic)
    started = time.monotonic()
    cancelled = other.responses.cancel(turn.id)
    call.wait_closed_by_client()
    assert time.monotonic() - started < CLOSE_SECONDS
    assert cancelled.status == "cancelled"
    assert cancelled.completed_at is None
    assert cancelled.error is None


def test_what_was_said_before_the_cancel_is_kept(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """R11: in the stored response and for readers that come later."""
    script_gated(upstream, topic, before="Half of ")
    body = {"model": "m", "input": topic, "background": True, "stream": True}
    with RawStream.post(stack.url(), "/responses", body) as stream:
        events = stream.until("response.output_text.delta")
        response_id = events[0]["response"]["id"]
        cancelled = client.responses.cancel(response_id)
        events += list(stream.events())
    assert stream.frames[-1] == DONE
    assert cancelled.output_text == "Half of "
    assert cancelled.output[0].status == "incomplete"
    assert client.responses.retrieve(response_id) == cancelled
    assert numbers(events) == list(range(len(events)))
    assert text_of(events) == "Half of "


def test_the_stream_of_a_cancelled_turn_ends_with_failed_that_says_cancelled(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """No SDK knows a cancelled event. Live, and replayed from the other process."""
    script_gated(upstream, topic)
    body = {"model": "m", "input": topic, "background": True, "stream": True}
    with RawStream.post(stack.url(), "/responses", body) as stream:
        events = stream.until("response.output_text.delta")
        cancelled = client.responses.cancel(events[0]["response"]["id"])
        events += list(stream.events())
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"] == cancelled.to_dict(mode="json")
    with RawStream.get(stack.url(1), f"/responses/{cancelled.id}?stream=true") as replayed:
        assert list(replayed.events()) == events


@pytest.mark.parametrize("steps", [[Think("Hm")], [ToolPiece('{"a":', id="call_1", name="f")]], ids=["reason", "call"])
def test_open_items_of_any_kind_are_closed_as_incomplete(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, steps: list[Think | ToolPiece]
) -> None:
    upstream.script(topic, answer(*steps, Gate(topic)))
    turn = client.responses.create(model="m", input=topic, background=True)
    upstream.wait_at(topic)
    with_output = client.responses.retrieve(turn.id, stream=True)
    with with_output as stream:
        next(event for event in stream if event.type.endswith(".delta"))
    cancelled = client.responses.cancel(turn.id)
    assert [item.status for item in cancelled.output] == ["incomplete"]


def test_cancelling_twice_is_no_error(client: OpenAI, other: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    turn = client.responses.create(model="m", input=topic, background=True)
    upstream.wait_at(topic)
    first = client.responses.cancel(turn.id)
    assert other.responses.cancel(turn.id) == first
    assert client.responses.cancel(turn.id) == first


def test_a_turn_that_waits_in_the_queue_can_be_cancelled_and_never_reaches_the_model(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, f"parent {topic}")
    parent = client.responses.create(model="m", input=f"parent {topic}", background=True)
    child = client.responses.create(model="m", input=f"child {topic}", previous_response_id=parent.id, background=True)
    upstream.wait_at(f"parent {topic}")
    cancelled = client.responses.cancel(child.id)
    assert (cancelled.status, cancelled.output) == ("cancelled", [])
    upstream.open(f"parent {topic}")
    assert ended(client, parent.id).status == "completed"
    grandchild = client.responses.create(model="m", input=f"last {topic}", previous_response_id=child.id)
    assert grandchild.status == "completed"
    assert client.responses.retrieve(child.id) == cancelled
    assert [call.last_user_text for call in upstream.calls_with(topic)] == [f"parent {topic}", f"last {topic}"]


def test_a_late_word_of_the_model_never_flips_a_cancelled_turn(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """Q3: one compare-and-set decides."""
    script_gated(upstream, topic)
    turn = client.responses.create(model="m", input=topic, background=True)
    call = upstream.wait_at(topic)
    cancelled = client.responses.cancel(turn.id)
    upstream.open(topic)
    call.wait_ended()
    # The worker has gone on to other work, so it has done with this turn.
    assert client.responses.create(model="m", input=f"after {topic}x").status == "completed"
    assert client.responses.retrieve(turn.id) == cancelled


def test_a_cancel_that_races_with_the_end_gives_one_answer_for_ever(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """G20: acknowledged means cancelled, else the 400 of a completed turn."""
    for number in range(20):
        gate = f"{topic}-{number}"
        script_gated(upstream, gate)
        turn = client.responses.create(model="m", input=gate, background=True)
        upstream.wait_at(gate)
        upstream.open(gate)
        try:
            told = client.responses.cancel(turn.id).status
        except BadRequestError as refused:
            told = "completed" if "Cannot cancel a completed response." in refused.message else refused.message
        assert ended(client, turn.id).status == told


@pytest.mark.parametrize(
    ("finish", "message"),
    [("stop", "Cannot cancel a completed response."), ("length", "Cannot cancel an incomplete response.")],
)
def test_cancelling_what_has_ended_is_a_400(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, finish: str, message: str
) -> None:
    """Never 409: SDKs retry that."""
    upstream.script(topic, answer("x", finish=finish))
    turn = ended(client, client.responses.create(model="m", input=topic, background=True).id)
    with pytest.raises(BadRequestError) as refused:
        client.responses.cancel(turn.id)
    assert refused.value.body["message"] == message  # type: ignore[index]
    assert client.responses.retrieve(turn.id) == turn


def test_cancelling_a_foreground_turn_is_a_400(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """Running and ended alike; and it runs on."""
    script_gated(upstream, topic)
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
        response_id = stream.next_event()["response"]["id"]
        for _ in ("running", "ended"):
            with pytest.raises(BadRequestError) as refused:
                client.responses.cancel(response_id)
            assert refused.value.body["message"] == "Cannot cancel a synchronous response."  # type: ignore[index]
            upstream.open(topic)
            list(stream.events())
    assert client.responses.retrieve(response_id).status == "completed"


def test_cancelling_the_unknown_is_a_404(client: OpenAI) -> None:
    with pytest.raises(NotFoundError):
        client.responses.cancel("resp_unknown")
