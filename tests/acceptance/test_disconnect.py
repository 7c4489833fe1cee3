"""A client that leaves: in the foreground it takes its turn with it, in the background never (Q4, G19)."""

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from openai import OpenAI

from tests.acceptance.turns import ended, script_gated
from tests.eventually import eventually
from tests.raw_http import RawStream, request_bytes
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Gate, Stall

CLOSE_SECONDS = 1.0


def leave_in_the_middle(stack: Stack, upstream: ScriptedUpstream, topic: str, **fields: Any) -> float:
    """Post a turn, drop the connection while the model writes; the time until the model server saw a close."""
    address = urlsplit(stack.url())
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request_bytes(stack.url(), "POST", "/responses", request_body(topic, **fields)))
        call = upstream.wait_at(topic)
    left = time.monotonic()
    call.wait_closed_by_client()
    return time.monotonic() - left


def request_body(topic: str, **fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": topic} | fields).encode()


def test_leaving_an_unstreamed_answer_closes_the_call_to_the_model_within_a_second(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    assert leave_in_the_middle(stack, upstream, topic) < CLOSE_SECONDS


def test_leaving_a_stream_closes_the_call_to_the_model_within_a_second_and_keeps_what_was_said(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
        events = stream.until("response.output_text.delta")
        call = upstream.wait_at(topic)
    left = time.monotonic()
    call.wait_closed_by_client()
    assert time.monotonic() - left < CLOSE_SECONDS
    stored = ended(client, events[0]["response"]["id"])
    assert stored.status == "cancelled"
    assert stored.output_text == "First. "


@pytest.mark.parametrize("stream", [False, True], ids=["unstreamed", "streamed"])
def test_leaving_before_the_model_has_said_anything_closes_the_call_too(
    stack: Stack, upstream: ScriptedUpstream, topic: str, stream: bool
) -> None:
    """An idle connection's end is noticed as fast as a busy one's."""
    upstream.script(topic, [Gate(topic), Stall()])
    assert leave_in_the_middle(stack, upstream, topic, stream=stream) < CLOSE_SECONDS


@pytest.mark.parametrize("stream", [False, True], ids=["unstreamed", "streamed"])
def test_a_background_turn_runs_on_without_its_client(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str, stream: bool
) -> None:
    script_gated(upstream, topic)
    body = {"model": "m", "input": topic, "background": True, "stream": stream}
    with RawStream.post(stack.url(), "/responses", body) as answered:
        response_id = answered.next_event()["response"]["id"] if stream else answered.json()["id"]
        call = upstream.wait_at(topic)
    upstream.open(topic)
    stored = ended(client, response_id)
    assert (stored.status, stored.output_text) == ("completed", "First. Last.")
    assert not call.closed_by_client


def test_leaving_a_resumed_stream_harms_nobody(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """Also the events of a foreground turn can be read by others; only its own client's leaving counts."""
    script_gated(upstream, topic)
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": topic, "stream": True}) as own:
        response_id = own.next_event()["response"]["id"]
        upstream.wait_at(topic)
        with RawStream.get(stack.url(1), f"/responses/{response_id}/events") as reader:
            reader.until("response.output_text.delta")
        eventually(lambda: client.responses.retrieve(response_id).status == "in_progress")
        upstream.open(topic)
        assert list(own.events())[-1]["type"] == "response.completed"


def test_a_body_that_breaks_off_makes_no_turn(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    address = urlsplit(stack.url())
    whole = request_bytes(stack.url(), "POST", "/responses", request_body(topic))
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(whole[:-5])
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": f"next {topic}"}) as after:
        assert after.json()["status"] == "completed"
    assert [call.last_user_text for call in upstream.calls_with(topic)] == [f"next {topic}"]
