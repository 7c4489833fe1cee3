"""Chat Completions, embeddings and models: the model's server behind the same base URL, with nothing kept."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.acceptance.conftest import MAX_BODY_BYTES
from tests.acceptance.turns import answer, script_gated
from tests.raw_http import RawStream, request_bytes
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Cut, Gate, Reply, Say, event_of

CANARY = "the upstream's own words"


def said(topic: str) -> Any:
    return [{"role": "user", "content": topic}]


def whole(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps(head | {"choices": [choice]}).encode()


def test_a_chat_is_answered_by_the_models_server(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, [Reply(200, whole("Hello."))])
    answered = client.chat.completions.create(model="m", messages=said(topic), temperature=0.5, extra_body={"top_k": 3})
    assert answered.choices[0].message.content == "Hello."
    (call,) = upstream.calls_with(topic)
    assert call.body == {"model": "m", "messages": said(topic), "temperature": 0.5, "top_k": 3}
    assert call.headers.get("Authorization") is None, "the caller's key is for this server"


def test_a_streamed_chat_comes_as_it_is_written(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    with client.chat.completions.create(model="m", messages=said(topic), stream=True) as stream:
        assert next(iter(stream)).choices[0].delta.content == "First. "
        upstream.wait_at(topic)
        upstream.open(topic)
        assert [chunk.choices[0].delta.content for chunk in stream if chunk.choices] == ["Last.", None]


def test_the_bytes_of_a_stream_are_the_upstreams_own(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    steps = answer("One, ", "two.")
    upstream.script(topic, steps)
    body = {"model": "m", "messages": said(topic), "stream": True}
    with RawStream.post(stack.url(), "/chat/completions", body) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.body() == b"".join(map(event_of, steps))


@pytest.mark.parametrize("before", [[], [Say("Half ")]], ids=["before the first word", "in mid-stream"])
def test_a_client_that_leaves_hangs_up_on_the_upstream(
    stack: Stack, upstream: ScriptedUpstream, topic: str, before: list[Any]
) -> None:
    upstream.script(topic, [*before, Gate(topic), *answer("Never heard.")])
    body = json.dumps({"model": "m", "messages": said(topic), "stream": True}).encode()
    address = urlsplit(stack.url())
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request_bytes(stack.url(), "POST", "/chat/completions", body))
        call = upstream.wait_at(topic)
    call.wait_closed_by_client()


def test_a_stream_that_the_upstream_cuts_breaks_off(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, [Say("Half "), Cut()])
    with (
        pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)),
        client.chat.completions.create(model="m", messages=said(topic), stream=True) as stream,
    ):
        list(stream)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, openai.BadRequestError, "invalid_prompt"),
        (401, openai.InternalServerError, "server_error"),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, "server_error"),
    ],
)
def test_an_upstreams_refusal_is_told_in_our_words(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, status: int, error: type[openai.APIStatusError], code: str
) -> None:
    refusal = json.dumps({"error": {"message": CANARY, "type": CANARY}}).encode()
    upstream.script(topic, [Reply(status, refusal, {"Retry-After": "7"})])
    with pytest.raises(error) as refused:
        client.chat.completions.create(model="m", messages=said(topic))
    assert refused.value.status_code == (502 if status in (401, 500) else status)
    assert refused.value.body.keys() == {"message", "type", "param", "code"}
    assert refused.value.code == code
    assert CANARY not in refused.value.response.text
    assert refused.value.response.headers.get("retry-after") == ("7" if status == 429 else None)


def test_a_context_overflow_has_its_own_code(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    refusal = b'{"error": {"message": "maximum context length is 4096", "code": 400}}'
    upstream.script(topic, [Reply(400, refusal)])
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="m", messages=said(topic))
    assert refused.value.code == "context_length_exceeded"


def test_an_answer_that_is_no_answer_is_not_passed_on(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, [Reply(200, b"<html></html>", {"Content-Type": "text/html"})])
    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model="m", messages=said(topic))
    assert refused.value.status_code == 502


def test_texts_are_embedded_by_the_models_server(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    vector = {"object": "embedding", "index": 0, "embedding": [0.25, -1.0]}
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    listed = {"object": "list", "model": "m", "data": [vector], "usage": usage}
    upstream.script(topic, [Reply(200, json.dumps(listed).encode())])
    embedded = client.embeddings.create(model="m", input=topic, encoding_format="float")
    assert embedded.data[0].embedding == [0.25, -1.0]
    (call,) = upstream.calls_with(topic)
    assert call.path == "/v1/embeddings"


@pytest.mark.parametrize("path", ["/chat/completions", "/embeddings"])
@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"{}", 400, "model"),
        (b'{"model": 5}', 400, "model"),
        (b"[]", 400, None),
        (b"{", 400, None),
        (b" " * (MAX_BODY_BYTES + 1), 413, None),
    ],
    ids=["no model", "a number for a model", "a list", "no JSON", "too large"],
)
def test_a_body_that_cannot_be_passed_on_is_refused(
    http: httpx2.Client, path: str, body: bytes, status: int, param: str | None
) -> None:
    refused = http.post(path, content=body)
    assert refused.status_code == status
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert refused.json()["error"]["param"] == param


def test_nothing_is_kept(client: OpenAI, http: httpx2.Client, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, [Reply(200, whole("Hello."))])
    before = http.get("/responses").json()
    client.chat.completions.create(model="m", messages=said(topic))
    assert http.get("/responses").json() == before


def test_one_model_by_its_id(client: OpenAI) -> None:
    (listed,) = client.models.list().data
    assert client.models.retrieve(listed.id) == listed


@pytest.mark.parametrize("model", ["gpt-unknown", "some/model:1"])
def test_a_model_that_is_not_there(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve(model)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
