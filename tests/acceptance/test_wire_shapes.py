"""The bytes of answers and streams: headers, framing, order and the fields every client relies on."""

from typing import Any

import httpx2
import pytest
from openai.types.responses import Response

from shared.wire.response import TERMINAL_EVENTS
from tests.acceptance.turns import answer, script_gated
from tests.eventually import eventually
from tests.raw_http import DONE, RawStream, numbers, text_of
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.stream_rules import check_stream
from tests.unit.core.response_shape import assert_ended, assert_shape
from tests.upstream_steps import Say, Think

FOREGROUND_STREAM = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


def test_a_foreground_answer_has_every_field_that_some_client_wants_non_null(http: httpx2.Client, topic: str) -> None:
    """R6, and the stricter reading of the open specification."""
    body = http.post("/responses", json={"model": "m", "input": topic}).json()
    assert_ended(body)
    assert body["status"] == "completed"
    assert body["output"][0]["content"] == [{"type": "output_text", "text": topic, "annotations": [], "logprobs": []}]
    assert body["usage"]["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] + body["usage"]["output_tokens"]


def test_a_queued_answer_and_every_poll_have_the_full_shape_and_a_poll_hint(
    http: httpx2.Client, upstream: ScriptedUpstream, topic: str
) -> None:
    """Q5: attempts and started_at are visible while the turn runs; `openai-poll-after-ms` only until it has ended."""
    script_gated(upstream, topic)
    accepted = http.post("/responses", json={"model": "m", "input": topic, "background": True})
    assert_shape(accepted.json())
    assert accepted.json()["status"] == "queued"
    assert accepted.json()["usage"] is None
    assert int(accepted.headers["openai-poll-after-ms"]) > 0
    upstream.wait_at(topic)
    running = http.get(f"/responses/{accepted.json()['id']}")
    assert_shape(running.json())
    assert running.json()["status"] == "in_progress"
    assert running.json()["turnstone"]["attempts"] == 1
    assert running.json()["turnstone"]["started_at"] >= running.json()["created_at"]
    assert int(running.headers["openai-poll-after-ms"]) > 0
    upstream.open(topic)
    path = f"/responses/{accepted.json()['id']}"
    eventually(lambda: http.get(path).json()["status"] == "completed")
    finished = http.get(path)
    assert_ended(finished.json())
    assert "openai-poll-after-ms" not in finished.headers


def test_the_answer_echoes_what_was_asked(http: httpx2.Client, topic: str) -> None:
    asked: dict[str, Any] = {
        "model": "some/model:1",
        "instructions": "Be brief.",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 100,
        "max_tool_calls": 3,
        "parallel_tool_calls": False,
        "metadata": {"k": "v"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": "none",
        "text": {"verbosity": "low"},
        "reasoning": {"effort": "low"},
        "service_tier": "flex",
        "safety_identifier": "s",
        "prompt_cache_key": "p",
        "user": "u",
    }
    body = http.post("/responses", json={**asked, "input": topic}).json()
    assert_ended(body)
    full_tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "description": None, "strict": None}
    full = {"tools": [full_tool], "text": {"format": {"type": "text"}, "verbosity": "low"}}
    expected = asked | full | {"reasoning": {"effort": "low", "summary": None}}
    assert {name: body[name] for name in expected} == expected


def test_a_text_stream_is_these_events_in_this_order(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer("Hello"))
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
        events = list(stream.events())
    assert [event["type"] for event in events] == FOREGROUND_STREAM
    assert numbers(events) == list(range(len(events)))
    check_stream(events)
    assert [event["response"]["status"] for event in events if "response" in event] == [
        "in_progress",
        "in_progress",
        "completed",
    ]


def test_a_background_stream_also_says_queued(stack: Stack, topic: str) -> None:
    body = {"model": "m", "input": topic, "stream": True, "background": True}
    with RawStream.post(stack.url(), "/responses", body) as stream:
        events = list(stream.events())
    assert [(event["type"], event["response"]["status"]) for event in events[:3]] == [
        ("response.created", "queued"),
        ("response.queued", "queued"),
        ("response.in_progress", "in_progress"),
    ]
    check_stream(events)


def test_every_lifecycle_event_and_the_stored_response_have_the_full_shape(stack: Stack, topic: str) -> None:
    """R6: `created_at` is captured once, equal in every event and in GET."""
    body = {"model": "m", "input": topic, "stream": True, "background": True}
    with RawStream.post(stack.url(), "/responses", body) as stream:
        snapshots = [event["response"] for event in stream.events() if "response" in event]
    for snapshot in snapshots:
        assert_shape(snapshot)
    with RawStream.get(stack.url(), f"/responses/{snapshots[0]['id']}") as stored:
        assert stored.json() == snapshots[-1]
    assert len({snapshot["created_at"] for snapshot in snapshots}) == 1


def assert_held_back_by_nobody(stream: RawStream) -> None:
    """What keeps proxies from compressing (and so from collecting) a stream, and nginx from buffering it."""
    assert stream.headers["cache-control"] == "no-cache, no-transform"
    assert stream.headers["x-accel-buffering"] == "no"


def test_every_door_that_streams_asks_proxies_to_hold_back_nothing(stack: Stack, topic: str) -> None:
    body = {"model": "m", "input": topic, "stream": True, "background": True}
    with RawStream.post(stack.url(), "/responses", body) as stream:
        response_id = next(stream.events())["response"]["id"]
        assert_held_back_by_nobody(stream)
    for path in ("?stream=true", "/events"):
        with RawStream.get(stack.url(), f"/responses/{response_id}{path}") as stream:
            assert_held_back_by_nobody(stream)
    chat = {"model": "m", "messages": [{"role": "user", "content": topic}], "stream": True}
    with RawStream.post(stack.url(), "/chat/completions", chat) as stream:
        assert_held_back_by_nobody(stream)


def test_stream_headers_framing_and_the_last_frame(stack: Stack, topic: str) -> None:
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
        frames = list(stream.raw_events())
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert_held_back_by_nobody(stream)
    assert stream.headers["x-request-id"].startswith("req_")
    assert frames[-1] == DONE
    assert frames.count(DONE) == 1
    for frame in frames[:-1]:
        first, second, *rest = frame.split(b"\n")
        assert first.startswith(b"event: response.")
        assert second.startswith(b"data: {")
        assert rest == [b"", b""], "one line of data, no `id:` line"


def test_each_event_arrives_in_one_piece(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    """S8: some clients lose an event that is split across writes."""
    upstream.script(topic, answer(*(f"{number} " * 400 for number in range(60))))
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
        chunks = list(stream.chunks())
    assert all(chunk.endswith(b"\n\n") for chunk in chunks)
    assert all(chunk.startswith((b"event: ", b"data: [DONE]")) for chunk in chunks)


def test_deltas_arrive_one_by_one_while_the_model_still_writes(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic, before="First. ")
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
        assert text_of(stream.until("response.output_text.delta")) == "First. "
        upstream.wait_at(topic)
        upstream.open(topic)
        assert text_of(list(stream.events())) == "Last."


HOSTILE_TEXT = "line\nbreak\r\n\ndata: [DONE]\n\nevent: x\n\u2028\u2029\u0085\x0b\x0c\x1e\U0001f600"


def test_no_text_can_forge_a_line_of_the_stream(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    """Line breaks of every kind, SSE syntax and `[DONE]` in the model's text stay text."""
    upstream.script(topic, answer(Say(HOSTILE_TEXT), Think(HOSTILE_TEXT)))
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
        events = list(stream.events())
    assert stream.frames[-1] == DONE
    assert text_of(events) == HOSTILE_TEXT
    assert all(len(frame.decode().splitlines()) == 3 for frame in stream.frames[:-1]), "event, data, blank line"
    check_stream(events)


def test_the_events_route_gives_each_event_its_number_as_id(stack: Stack, http: httpx2.Client, topic: str) -> None:
    turn = http.post("/responses", json={"model": "m", "input": topic}).json()
    with RawStream.get(stack.url(), f"/responses/{turn['id']}/events") as stream:
        frames = list(stream.raw_events())
    assert frames[0].startswith(b"retry: ")
    assert frames[-1] == DONE
    assert [frame.split(b"\n")[0] for frame in frames[1:-1]] == [b"id: %d" % n for n in range(len(frames) - 2)]


@pytest.mark.parametrize("path", ["//healthz", "//readyz", "/models", "/responses/resp_unknown", "/nowhere"])
def test_every_answer_names_its_request(stack: Stack, path: str) -> None:
    with RawStream.get(stack.url(), path) as first, RawStream.get(stack.url(), path) as second:
        ids = {first.headers["x-request-id"], second.headers["x-request-id"]}
    assert len(ids) == 2
    assert all(name.startswith("req_") for name in ids)


def test_readyz_tells_of_database_and_redis(stack: Stack) -> None:
    with RawStream.get(stack.url(), "//readyz") as answered:
        assert answered.json() == {"status": "ok", "database": True, "redis": True, "problems": []}


def test_get_as_a_stream_only_when_asked_to_by_the_query(http: httpx2.Client, topic: str) -> None:
    """`Accept: text/event-stream` or `stream=false` alone give JSON."""
    turn = http.post("/responses", json={"model": "m", "input": topic, "background": True}).json()
    for headers, query in (({"accept": "text/event-stream"}, {}), ({}, {"stream": "false"})):
        read = http.get(f"/responses/{turn['id']}", headers=headers, params=query)
        assert read.headers["content-type"] == "application/json"
        assert Response.model_validate(read.json()).id == turn["id"]


def test_include_is_accepted_with_and_without_brackets(http: httpx2.Client, topic: str) -> None:
    turn = http.post("/responses", json={"model": "m", "input": topic}).json()
    for name in ("include", "include[]"):
        query = {name: "message.input_image.image_url"}
        assert http.get(f"/responses/{turn['id']}", params=query).status_code == 200
        assert http.get(f"/responses/{turn['id']}/input_items", params=query).status_code == 200


def test_beta_flag_in_the_query_breaks_nothing(http: httpx2.Client, topic: str) -> None:
    assert http.post("/responses?beta=true", json={"model": "m", "input": topic}).status_code == 200


def test_terminal_events_are_one_and_last(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    """S3."""
    upstream.script(topic, answer("x", finish="length"))
    with RawStream.post(stack.url(), "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
        kinds = [event["type"] for event in stream.events()]
    assert [kind for kind in kinds if kind in TERMINAL_EVENTS] == kinds[-1:]
