"""One Turnstone before several model servers: the upstreams file as its users meet it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai import BadRequestError, OpenAI
from openai.types.responses import FunctionToolParam, ResponseInputParam

from tests import native_steps
from tests.acceptance.turns import answer, ended
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_calls import text_of_file
from tests.upstream_steps import Reply


@pytest.fixture(scope="module")
def spare() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def native() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        server.models = Reply(200, b'{"data":[{"id":"gpt"}]}')
        yield server


@pytest.fixture(scope="module")
def several(
    new_stack: Callable[..., Stack],
    upstream: ScriptedUpstream,
    spare: ScriptedUpstream,
    native: ScriptedUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """A stack over a file: `large-*` and `fast` at the one server, `small` at the other, which stands in for it.

    `gpt` is at a native Responses server.
    """
    path: Path = tmp_path_factory.mktemp("upstreams") / "upstreams.toml"
    main = {"base_url": upstream.base_url, "models": ["large-*"], "aliases": {"fast": "large-1"}, "attempts": 1}
    other = {"base_url": spare.base_url, "models": ["small"], "aliases": {"fast": "small"}, "api_key": "key-of-spare"}
    third = {"name": "native", "kind": "responses", "base_url": native.base_url, "models": ["gpt"]}
    tables = [{"name": "main", "fallbacks": ["spare"]} | main, {"name": "spare"} | other, third]
    path.write_text("".join(map(text_of_file, tables)))
    with new_stack(apis=1, settings={"UPSTREAMS_FILE": path, "UPSTREAM_BASE_URL": ""}) as running:
        yield running


@pytest.fixture
def sdk(several: Stack) -> Iterator[OpenAI]:
    with OpenAI(base_url=several.url(), api_key="unused", max_retries=0, timeout=30) as client:
        yield client


def test_each_model_is_asked_at_its_server_and_keeps_the_name_it_was_asked_by(
    sdk: OpenAI, upstream: ScriptedUpstream, spare: ScriptedUpstream, topic: str
) -> None:
    turns = [sdk.responses.create(model=model, input=topic) for model in ("large-2", "small", "fast")]
    assert [(turn.model, turn.output_text) for turn in turns] == [
        ("large-2", topic),
        ("small", topic),
        ("fast", topic),
    ]
    assert [call.body["model"] for call in upstream.calls_with(topic)] == ["large-2", "large-1"]
    assert [call.body["model"] for call in spare.calls_with(topic)] == ["small"]


def test_a_server_that_fails_is_stood_in_for(
    sdk: OpenAI, upstream: ScriptedUpstream, spare: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, [Reply(503)])
    spare.script(topic, answer("Here."))
    turn = sdk.responses.create(model="fast", input=topic, background=True)
    assert ended(sdk, turn.id).output_text == "Here."
    (call,) = spare.calls_with(topic)
    assert (call.body["model"], call.headers["Authorization"]) == ("small", "Bearer key-of-spare")


def test_a_model_that_no_server_has_is_refused_by_name(sdk: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        sdk.responses.create(model="medium", input="hello")
    assert (refused.value.param, refused.value.code) == ("model", "model_not_found")


def test_the_models_of_all_are_listed_with_their_aliases(sdk: OpenAI, spare: ScriptedUpstream) -> None:
    spare.models = Reply(200, b'{"data":[{"id":"small"},{"id":"hidden"}]}')
    assert [model.id for model in sdk.models.list()] == ["fast", "small", "gpt"]


def test_a_hosted_tool_of_a_native_server_is_seen_and_remembered(
    sdk: OpenAI, native: ScriptedUpstream, topic: str
) -> None:
    """Its items and events pass under our ids; the next turn tells it everything, for it keeps nothing."""
    cited = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
    first = native_steps.answer(native_steps.searched(0), native_steps.said(1, "It ", "rains.", citation=cited))
    native.script(topic, first, native_steps.answer(native_steps.said(0, "Still.")))
    with sdk.responses.stream(model="gpt", input=topic, tools=[{"type": "web_search"}]) as stream:
        kinds = [event.type for event in stream]
        response = stream.get_final_response()
    assert [item.type for item in response.output] == ["web_search_call", "message"]
    assert response.output_text == "It rains."
    assert response.usage is not None
    assert response.usage.output_tokens_details.reasoning_tokens == 2
    assert "response.web_search_call.searching" in kinds
    assert "theirs" not in response.to_json()
    assert "response.output_text.annotation.added" in kinds

    again = sdk.responses.create(model="gpt", input=f"and {topic} now?", previous_response_id=response.id)
    assert again.output_text == "Still."
    asked, called = native.calls_with(topic)
    assert asked.body["tools"] == [{"type": "web_search"}]
    assert [item["type"] for item in called.body["input"]] == ["message", "web_search_call", "message", "message"]
    for call in (asked, called):
        assert call.body["store"] is False
        assert "previous_response_id" not in call.body


def test_a_native_servers_function_calls_are_answered_by_the_next_turn(
    sdk: OpenAI, native: ScriptedUpstream, topic: str
) -> None:
    whole = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}", "status": "completed"}
    native.script(
        topic, native_steps.answer(native_steps.item(0, whole)), native_steps.answer(native_steps.said(0, "Yes."))
    )
    tools: list[FunctionToolParam] = [{"type": "function", "name": "look", "parameters": {}, "strict": False}]
    turn = sdk.responses.create(model="gpt", input=topic, tools=tools, background=True)
    (call,) = ended(sdk, turn.id).output
    assert call.type == "function_call"
    output: ResponseInputParam = [{"type": "function_call_output", "call_id": call.call_id, "output": "found"}]
    assert sdk.responses.create(model="gpt", input=output, previous_response_id=turn.id).output_text == "Yes."


def test_a_native_server_that_fails_ends_the_turn_in_our_words(
    sdk: OpenAI, native: ScriptedUpstream, topic: str
) -> None:
    error = {"code": "invalid_image_url", "message": f"s3cret {topic}"}
    native.script(topic, [*native_steps.began(), native_steps.ended("failed", error=error)])
    turn = sdk.responses.create(model="gpt", input=topic)
    assert turn.error is not None
    assert (turn.status, turn.error.code) == ("failed", "invalid_image_url")
    assert turn.error.message == "The upstream model server refused the request."
