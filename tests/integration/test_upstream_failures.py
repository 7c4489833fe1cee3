"""Q7: an upstream that refuses, hangs, cuts, babbles: retried where that is right, and told in our own words."""

import socket
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from shared.core.chunks import Chunk, Finish, Text
from shared.errors import UpstreamError
from shared.upstream.chat_completions import ChatCompletions
from tests import upstream_steps as steps
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_calls import asking, client, run
from tests.upstream_steps import Cut, Done, Gate, Raw, Reply, Say, Stall, Step

OK: list[Step] = [Say("ok"), steps.Finish(), Done()]
SAID_OK: list[Chunk] = [Text("ok"), Finish("stop")]
EVENT_STREAM = {"Content-Type": "text/event-stream"}


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        upstream = ChatCompletions(
            base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1",
            connect_seconds=1,
            first_byte_seconds=5,
            idle_seconds=1,
            attempts=2,
        )
        error = run(upstream, asking("x")).error
    assert error == UpstreamError("The upstream model server could not be reached.", retryable=True)


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param([Reply(500)], id="500"),
        pytest.param([Reply(503, b"not json")], id="503"),
        pytest.param([Reply(408)], id="408"),
        pytest.param([Reply(409)], id="409"),
        pytest.param([Reply(429)], id="429"),
        pytest.param([Cut(reset=True)], id="reset"),
        pytest.param([Cut()], id="closed without an answer"),
        pytest.param([Raw(b": hello\n\n"), Cut()], id="cut before the first chunk"),
        pytest.param([Raw(b""), Done()], id="nothing but DONE"),
        pytest.param([Raw(b'data: {"error":{"code":503,"message":"busy"}}\n\n')], id="error in the stream"),
    ],
)
def test_passing_trouble_is_not_seen(server: ScriptedUpstream, trouble: list[Step]) -> None:
    server.script("x", trouble, OK)
    outcome = run(client(server), asking("x"))
    assert (outcome.chunks, outcome.error) == (SAID_OK, None)
    assert len(server.calls) == 2


def test_retry_after_is_waited_for(server: ScriptedUpstream) -> None:
    server.script("x", [Reply(429, headers={"Retry-After": "1"})], OK)
    assert run(client(server), asking("x")).chunks == SAID_OK
    first, second = server.calls
    assert second.started_at - first.started_at >= 1.0


def test_attempts_are_counted(server: ScriptedUpstream) -> None:
    server.script("x", [Reply(500)])
    error = run(client(server, attempts=2), asking("x")).error
    assert error == UpstreamError("The upstream model server failed (HTTP 500).", retryable=True)
    assert len(server.calls) == 2


REJECTED = "The upstream model server rejected the request (HTTP 400)."
OVERFLOW = "The input is too long for the context window of the upstream model."


@pytest.mark.parametrize(
    ("reply", "message", "code"),
    [
        (Reply(400), REJECTED, "invalid_prompt"),
        (Reply(422), "The upstream model server rejected the request (HTTP 422).", "invalid_prompt"),
        (Reply(401), "The upstream model server refused our credentials.", "server_error"),
        (Reply(403), "The upstream model server refused our credentials.", "server_error"),
        (Reply(404), "The upstream model server does not know the model or path.", "server_error"),
        (
            Reply(302, headers={"Location": "/v1/models"}),
            "The upstream model server gave an unexpected answer (HTTP 302).",
            "server_error",
        ),
        (Reply(400, b'{"error":{"code":"context_length_exceeded"}}'), OVERFLOW, "invalid_prompt"),
        (
            Reply(400, b'{"error":{"message":"This model\'s maximum context length is 8 tokens.","code":400}}'),
            OVERFLOW,
            "invalid_prompt",
        ),
        (Reply(400, b'{"object":"error","message":"exceeds the available context size"}'), OVERFLOW, "invalid_prompt"),
        (
            Reply(400, b'{"error":"s3cret"}'),
            "The upstream model server rejected the request (HTTP 400).",
            "invalid_prompt",
        ),
    ],
)
def test_lasting_trouble_is_told_at_once(server: ScriptedUpstream, reply: Reply, message: str, code: str) -> None:
    server.script("x", [reply])
    expected = UpstreamError(message, code=code, overflow=message == OVERFLOW)
    assert run(client(server), asking("x")).error == expected
    assert len(server.calls) == 1


TOO_LONG: dict[str, object] = {
    "OpenAI": {
        "error": {
            "message": "This model's maximum context length is 8192 tokens. However, your messages had 9000.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
    },
    "vLLM": {
        "error": {
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        }
    },
    "vLLM of old": {"object": "error", "message": "maximum context length is 4096", "type": "x", "code": 400},
    "SGLang": {
        "object": "error",
        "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    },
    "llama.cpp": {
        "error": {
            "code": 400,
            "message": "request (5000 tokens) exceeds the available size",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 5000,
            "n_ctx": 4096,
        }
    },
    "LM Studio": {"error": "The number of tokens to keep from the initial prompt is greater than the context length."},
    "LM Studio, newer": {"error": "Cannot truncate prompt with n_keep (5000) >= n_ctx (4096)"},
}


@pytest.mark.parametrize("words", TOO_LONG.values(), ids=TOO_LONG)
@pytest.mark.parametrize("place", ["instead of an answer", "within one"])
def test_each_server_has_its_own_words_for_too_long(server: ScriptedUpstream, words: Any, place: str) -> None:
    event = words if "error" in words else {"error": words}
    reply = Raw(b"data: " + orjson.dumps(event) + b"\n\n") if place == "within one" else Reply(400, orjson.dumps(words))
    server.script("x", [reply])
    assert run(client(server), asking("x")).error == UpstreamError(OVERFLOW, code="invalid_prompt", overflow=True)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(Reply(200, b"<html>s3cret</html>", {"Content-Type": "text/html"}), id="HTML"),
        pytest.param(Reply(200, b"s3cret", {"Content-Type": "text/plain"}), id="plain text"),
        pytest.param(Reply(200, b"s3cret"), id="JSON that is none"),
        pytest.param(Reply(200, b'{"detail":"s3cret"}'), id="other JSON"),
        pytest.param(Reply(200, b"data: s3cret\n\n", EVENT_STREAM), id="data that is not JSON"),
        pytest.param(Reply(200, b"data: [1]\n\n", EVENT_STREAM), id="data that is no object"),
    ],
)
def test_garbage(server: ScriptedUpstream, garbage: Reply) -> None:
    """I2: and nothing of it is repeated."""
    server.script("x", [garbage])
    expected = UpstreamError("The upstream model server sent an answer that cannot be read.")
    assert run(client(server), asking("x")).error == expected
    assert len(server.calls) == 1


def test_a_server_that_does_not_stream(server: ScriptedUpstream) -> None:
    """R1: its whole answer becomes the same chunks."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    server.script("x", [Reply(200, orjson.dumps({"choices": [choice]}))])
    assert run(client(server), asking("x")).chunks == SAID_OK


@pytest.mark.parametrize("hang", [[Gate("never")], [Stall()]], ids=["before the headers", "before the first byte"])
def test_no_first_byte(server: ScriptedUpstream, hang: list[Step]) -> None:
    server.script("x", hang)
    error = run(client(server, first_byte_seconds=0.2), asking("x")).error
    assert error == UpstreamError("The upstream model server did not begin to answer in time.")
    server.calls[0].wait_closed_by_client(1)
    assert len(server.calls) == 1


def test_a_body_that_cannot_be_sent(server: ScriptedUpstream) -> None:
    error = run(client(server), asking("x", max_output_tokens=2**70)).error
    assert error is not None
    assert error.code == "invalid_prompt"
    assert server.calls == []


@pytest.mark.parametrize(
    ("trouble", "happened"),
    [
        pytest.param([Cut()], "broke off before its answer was complete.", id="cut"),
        pytest.param([], "broke off before its answer was complete.", id="end of body"),
        pytest.param([Stall()], "stopped sending in the middle of its answer.", id="stall"),
        pytest.param([Raw(b"data: {garbage\n\n")], "sent an answer that cannot be read.", id="garbage"),
        pytest.param([Raw(b'data: {"error":{"message":"s3cret"}}\n\n')], "reported an error.", id="error"),
    ],
)
def test_trouble_in_the_middle(server: ScriptedUpstream, trouble: list[Step], happened: str) -> None:
    """R11, Q7: what came is kept, the turn ends with a clear error, and the upstream is not called twice."""
    server.script("x", [Say("partly"), *trouble])
    outcome = run(client(server, idle_seconds=0.2), asking("x"))
    assert outcome.chunks == [Text("partly")]
    assert outcome.error is not None
    assert outcome.error.message == f"The upstream model server {happened}"
    assert len(server.calls) == 1


@pytest.mark.parametrize("ending", [[], [Cut()], [Stall()], [Done(), Stall()]], ids=str)
def test_after_the_finish_reason_nothing_can_go_wrong(server: ScriptedUpstream, ending: list[Step]) -> None:
    server.script("x", [Say("ok"), steps.Finish(), *ending])
    outcome = run(client(server, idle_seconds=0.2), asking("x"))
    assert (outcome.chunks, outcome.error) == (SAID_OK, None)
