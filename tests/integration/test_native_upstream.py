"""A native Responses server as an upstream, over real HTTP: told everything, trusted with no state."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from shared.core.chunks import Finish, ItemBegun, ItemEnded, ItemEvent, Usage
from shared.errors import UpstreamError
from shared.upstream.native_responses import NativeResponses
from shared.upstream.summary import Summary, summarize
from tests import native_steps as native
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_calls import Outcome, run, with_closing
from tests.upstream_steps import Cut, Raw, Reply, Stall, Step

CITATION = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


def client(server: ScriptedUpstream, **options: Any) -> NativeResponses:
    patience = {"connect_seconds": 5.0, "first_byte_seconds": 5.0, "idle_seconds": 5.0, "attempts": 3}
    return NativeResponses(base_url=server.base_url, **{**patience, **options})


def user(text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "id": "msg_1", "role": "user", "status": "completed", "content": content}


def ask(server: ScriptedUpstream, *steps: Sequence[Step], **options: Any) -> Outcome:
    server.script("hello", *steps)
    return run(client(server, **options), ({"model": "m"}, [user("hello")]))


def test_an_answer_with_text_and_a_hosted_tool(server: ScriptedUpstream) -> None:
    outcome = ask(server, native.answer(native.searched(0), native.said(1, "It ", "rains.", citation=CITATION)))
    assert outcome.error is None
    assert [chunk for chunk in outcome.chunks if not isinstance(chunk, ItemEvent)] == [
        ItemBegun(0, native.SEARCH | {"status": "in_progress"}),
        ItemEnded(0, native.SEARCH),
        ItemBegun(1, {"type": "message", "role": "assistant", "status": "in_progress", "content": []}),
        ItemEnded(
            1,
            {
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "It rains.", "annotations": [CITATION], "logprobs": []}],
            },
        ),
        Usage(5, 7, 3, 2),
        Finish("stop"),
    ]


def test_what_is_sent(server: ScriptedUpstream) -> None:
    """The whole context, streamed, under no id of ours, and nothing that would make the server keep or join a state."""
    server.script("hello", native.answer(native.said(0, "Hi")))
    request = {
        "model": "m",
        "instructions": "Be brief.",
        "tools": [{"type": "web_search"}],
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "safety_identifier": "u1",
        "prompt_cache_key": "k",
        "metadata": {"secret": "s"},
        "previous_response_id": "resp_1",
        "conversation": "conv_1",
        "background": True,
        "store": True,
        "service_tier": "priority",
        "truncation": "auto",
    }
    run(client(server, api_key="sk-secret"), (request, [user("hello")]))
    (call,) = server.calls
    kept = ("model", "instructions", "tools", "reasoning", "include", "safety_identifier", "prompt_cache_key")
    assert call.body == {
        **{name: request[name] for name in kept},
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
        "store": False,
        "stream": True,
    }
    assert call.headers["Authorization"] == "Bearer sk-secret"


def test_it_is_not_waited_for_once_the_end_was_told(server: ScriptedUpstream) -> None:
    """A server may keep the connection: what counts is its terminal event."""
    outcome = ask(server, [*native.answer(native.said(0, "Hi")), Stall()], idle_seconds=20)
    assert outcome.chunks[-1] == Finish("stop")


def test_a_server_that_does_not_stream(server: ScriptedUpstream) -> None:
    text = b'{"type":"output_text","text":"Hi","annotations":[]}'
    body = b'{"object":"response","status":"completed","output":[{"type":"message","content":[%s]}]}' % text
    outcome = ask(server, [Reply(200, body)])
    assert [type(chunk) for chunk in outcome.chunks] == [ItemBegun, ItemEnded, Finish]


@pytest.mark.parametrize(
    "trouble",
    [
        [Reply(503)],
        [*native.began(), Cut()],
        [native.ended("failed", error={"code": "server_error", "message": "s3cret"})],
        [Raw(b'data: {"type":"error","code":"rate_limit_exceeded","message":"s3cret"}\n\n')],
    ],
    ids=["503", "cut before the first item", "failed", "an error event"],
)
def test_passing_trouble_is_not_seen(server: ScriptedUpstream, trouble: list[Step]) -> None:
    outcome = ask(server, trouble, native.answer(native.said(0, "Hi")))
    assert outcome.error is None
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        pytest.param(
            [Reply(400, b'{"error":{"code":"context_length_exceeded","message":"s3cret"}}')],
            UpstreamError(
                "The input is too long for the context window of the upstream model.",
                code="invalid_prompt",
                overflow=True,
            ),
            id="overflow",
        ),
        pytest.param(
            [native.ended("failed", error={"code": "invalid_image_url", "message": "s3cret"})],
            UpstreamError("The upstream model server refused the request.", code="invalid_image_url"),
            id="an image that cannot be had",
        ),
        pytest.param(
            [Raw(b"data: {\n\n")],
            UpstreamError("The upstream model server sent an answer that cannot be read."),
            id="garbage",
        ),
    ],
)
def test_lasting_trouble_is_told_in_our_words(
    server: ScriptedUpstream, trouble: list[Step], expected: UpstreamError
) -> None:
    assert ask(server, trouble).error == expected
    assert len(server.calls) == 1


def test_a_break_in_the_middle_keeps_what_came(server: ScriptedUpstream) -> None:
    outcome = ask(server, [*native.began(), *native.said(0, "Half")[:3], Cut()])
    assert isinstance(outcome.chunks[-1], ItemEvent)
    assert outcome.error is not None
    assert outcome.error.message == "The upstream model server broke off before its answer was complete."
    assert len(server.calls) == 1


def test_tokens_are_counted_by_the_servers_own_count(server: ScriptedUpstream) -> None:
    server.script("hello", [Reply(200, b'{"object":"response.input_tokens","input_tokens":11}')])
    upstream = client(server)
    assert with_closing(upstream, upstream.count_tokens({"model": "m", "user": "u"}, [user("hello")])) == 11
    (call,) = server.calls
    assert call.body.keys() == {"model", "input"}


def test_or_by_its_answer_where_it_has_none(server: ScriptedUpstream) -> None:
    server.script("hello", [Reply(404)], native.answer(native.said(0, "Hi")))
    upstream = client(server)
    assert with_closing(upstream, upstream.count_tokens({"model": "m"}, [user("hello")])) == 5
    assert server.calls[1].body["max_output_tokens"] == 16


def test_its_model_can_summarize(server: ScriptedUpstream) -> None:
    server.script("Summarize", native.answer(native.said(0, "In ", "short.")))
    upstream = client(server)
    summary = with_closing(upstream, summarize(upstream, {"model": "m"}, [user("hello")]))
    assert summary == Summary("In short.", Usage(5, 7, 3, 2))
