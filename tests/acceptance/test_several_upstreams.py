"""One Turnstone before several model servers: the upstreams file as its users meet it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai import BadRequestError, OpenAI

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
def several(
    new_stack: Callable[..., Stack],
    upstream: ScriptedUpstream,
    spare: ScriptedUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """A stack over a file: `large-*` and `fast` at the one server, `small` at the other, which stands in for it."""
    path: Path = tmp_path_factory.mktemp("upstreams") / "upstreams.toml"
    main = {"base_url": upstream.base_url, "models": ["large-*"], "aliases": {"fast": "large-1"}, "attempts": 1}
    other = {"base_url": spare.base_url, "models": ["small"], "aliases": {"fast": "small"}, "api_key": "key-of-spare"}
    path.write_text(
        text_of_file({"name": "main", "fallbacks": ["spare"]} | main) + text_of_file({"name": "spare"} | other)
    )
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
    assert [model.id for model in sdk.models.list()] == ["fast", "small"]
