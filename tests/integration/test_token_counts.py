"""Input tokens are what the model's server counts: by its tokenizer where that is exact, else in its least answer."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import UpstreamError
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_calls import asking, client, with_closing
from tests.upstream_steps import Finish, Reply, Say, Tokens

TOOLS = [{"type": "function", "name": "f"}]
MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        upstream.script("hello", [Say("Hi"), Finish("length"), Tokens(11, 1)])
        yield upstream


def count(server: ScriptedUpstream, **request: Any) -> int:
    upstream = client(server, attempts=1)
    model, items = asking("hello")
    counted: int = with_closing(upstream, upstream.count_tokens(model | request, items))
    return counted


def replied(body: Any) -> Reply:
    return Reply(200, json.dumps(body).encode())


def asked(server: ScriptedUpstream) -> list[tuple[str, Any]]:
    return [(call.path, call.body) for call in server.calls]


def test_vllm_counts_messages(server: ScriptedUpstream) -> None:
    server.tokenizers = {"/tokenize": replied({"count": 9, "max_model_len": 4096, "tokens": [1] * 9})}
    assert count(server) == 9
    assert asked(server) == [("/tokenize", {"model": "m", "messages": MESSAGES})]


def test_llama_cpp_writes_the_prompt_then_counts_it(server: ScriptedUpstream) -> None:
    """Asked as vLLM is, it counts nothing: it looks for another field."""
    server.tokenizers = {
        "/tokenize": replied({"tokens": [1, 2, 3]}),
        "/apply-template": replied({"prompt": "<user>hello"}),
    }
    assert count(server) == 3
    template, tokens = asked(server)[1:]
    assert template == ("/apply-template", {"messages": MESSAGES})
    assert tokens == ("/tokenize", {"content": "<user>hello", "add_special": True, "parse_special": True})


@pytest.mark.parametrize(
    "tokenizers",
    [
        {},
        {"/tokenize": Reply(400)},
        {"/tokenize": replied({"error": "Unexpected endpoint"}), "/apply-template": replied({"error": "no"})},
        {"/tokenize": replied({"tokens": []}), "/apply-template": replied({"prompt": "p"})},
        {"/tokenize": replied({"count": "9"})},
        {"/tokenize": replied([9])},
        {"/tokenize": Reply(200, b"<html>", {"Content-Type": "text/html"})},
    ],
    ids=["none", "of another shape", "200 for what is unknown", "empty", "no number", "a list", "HTML"],
)
def test_without_a_tokenizer_the_usage_of_a_one_token_answer_counts(
    server: ScriptedUpstream, tokenizers: dict[str, Reply]
) -> None:
    server.tokenizers = tokenizers
    assert count(server) == 11
    assert server.calls[-1].body["max_tokens"] == 1


@pytest.mark.parametrize(
    "request_fields",
    [{"tools": TOOLS}, {"reasoning": {"effort": "low"}}, {"text": {"format": {"type": "json_object"}}}],
    ids=["tools", "reasoning effort", "a format"],
)
def test_what_a_tokenizer_is_not_told_of_is_counted_by_the_model(
    server: ScriptedUpstream, request_fields: dict[str, Any]
) -> None:
    server.tokenizers = {"/tokenize": replied({"count": 9})}
    assert count(server, **request_fields) == 11
    assert [path for path, _ in asked(server)] == ["/v1/chat/completions"]


def test_an_image_is_counted_by_the_model(server: ScriptedUpstream) -> None:
    server.tokenizers = {"/tokenize": replied({"count": 9})}
    request, items = asking("hello")
    items[0]["content"].append({"type": "input_image", "image_url": "data:image/png;base64,AA=="})
    upstream = client(server)
    assert with_closing(upstream, upstream.count_tokens(request, items)) == 11


def test_a_server_that_does_not_say_is_not_guessed_for(server: ScriptedUpstream) -> None:
    server.script("hello", [Say("Hi"), Finish()])
    with pytest.raises(UpstreamError, match="does not say how many tokens"):
        count(server)
