"""Several upstreams: which one serves a model, under which name, and who stands in for it."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from shared.core.chunks import Finish, Text
from shared.errors import InvalidRequest, UpstreamError
from shared.settings import Settings
from shared.upstream.registry import Upstreams
from tests import upstream_steps as steps
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_calls import Outcome, asking, run, text_of_file, with_closing
from tests.upstream_steps import Cut, Done, Gate, Reply, Say, Step

OK: list[Step] = [Say("ok"), steps.Finish(), Done()]
SAID_OK = [Text("ok"), Finish("stop")]


@pytest.fixture
def first() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def second() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def configure(first: ScriptedUpstream, second: ScriptedUpstream, tmp_path: Path) -> Any:
    """The upstreams of a file with a table for each server."""

    def configured(of_first: dict[str, Any], of_second: dict[str, Any]) -> Upstreams:
        path = tmp_path / "upstreams.toml"
        tables = [
            {"name": "first", "base_url": first.base_url} | of_first,
            {"name": "second", "base_url": second.base_url} | of_second,
        ]
        path.write_text("".join(map(text_of_file, tables)))
        return Upstreams(Settings(upstreams_file=path, upstream_attempts=1))

    return configured


def ask(upstreams: Upstreams, model: str) -> Outcome:
    return run(upstreams, asking("hello", model=model))


@pytest.mark.parametrize(
    ("model", "served_by", "as_model"),
    [
        ("qwen3-8b", 0, "qwen3-8b"),
        ("llama-3.2-1b", 1, "llama-3.2-1b"),
        ("anything", 1, "anything"),
        ("qwen-big", 1, "llama-405b"),
    ],
    ids=["a pattern", "another's pattern", "the pattern for all", "an alias, which stands above patterns"],
)
def test_a_model_goes_to_its_upstream(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream, model: str, served_by: int, as_model: str
) -> None:
    upstreams = configure({"models": ["qwen*"]}, {"models": ["llama*", "*"], "aliases": {"qwen-big": "llama-405b"}})
    assert ask(upstreams, model).error is None
    (call,) = (first, second)[served_by].calls
    assert call.body["model"] == as_model
    assert (second, first)[served_by].calls == []


def test_a_model_that_nobody_serves(configure: Any) -> None:
    upstreams = configure({"models": ["a"]}, {"models": ["b"]})
    with pytest.raises(InvalidRequest) as raised:
        upstreams.of("A")
    assert (raised.value.param, raised.value.code) == ("model", "model_not_found")


def test_keys_and_headers_go_to_their_own_upstream(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstreams = configure(
        {"models": ["a"], "api_key": "key-a", "headers": {"x-team": "t", "content-type": "text/plain"}},
        {"models": ["b"]},
    )
    ask(upstreams, "a")
    ask(upstreams, "b")
    sent, others = first.calls[0].headers, second.calls[0].headers
    assert (sent["Authorization"], sent["X-Team"], sent.getall("Content-Type")) == (
        "Bearer key-a",
        "t",
        ["application/json"],
    )
    assert "Authorization" not in others
    assert "X-Team" not in others


@pytest.mark.parametrize("trouble", [[Reply(503)], [Reply(401)], [Cut()], [Say(""), Cut()]], ids=str)
def test_before_the_first_token_another_stands_in(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream, trouble: list[Step]
) -> None:
    upstreams = configure({"aliases": {"m": "large"}, "fallbacks": ["second"]}, {"models": []})
    first.script("hello", trouble)
    second.script("hello", OK)
    assert ask(upstreams, "m").chunks == SAID_OK
    assert second.calls[0].body["model"] == "large"


def test_who_stands_in_has_its_own_name_for_the_model(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstreams = configure({"aliases": {"m": "large"}, "fallbacks": ["second"]}, {"aliases": {"m": "small"}})
    first.script("hello", [Reply(503)])
    ask(upstreams, "m")
    assert [first.calls[0].body["model"], second.calls[0].body["model"]] == ["large", "small"]


def test_once_something_was_said_nobody_stands_in(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    """Or output of two models would be mixed."""
    upstreams = configure({"fallbacks": ["second"]}, {"models": []})
    first.script("hello", [Say("half"), Cut()])
    outcome = ask(upstreams, "m")
    assert outcome.chunks == [Text("half")]
    assert outcome.error is not None
    assert second.calls == []


def test_a_refused_prompt_is_not_tried_elsewhere(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstreams = configure({"fallbacks": ["second"]}, {"models": []})
    first.script("hello", [Reply(400)])
    error = ask(upstreams, "m").error
    assert error is not None
    assert error.code == "invalid_prompt"
    assert second.calls == []


def test_when_all_fail_the_last_failure_stands(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstreams = configure({"fallbacks": ["second"]}, {"models": []})
    first.script("hello", [Reply(503)])
    second.script("hello", [Reply(500)])
    assert ask(upstreams, "m").error == UpstreamError("The upstream model server failed (HTTP 500).", retryable=True)


def test_calls_beyond_the_limit_wait(configure: Any, first: ScriptedUpstream) -> None:
    upstreams = configure({"max_concurrent": 1}, {"models": []})
    first.script("hello", [Gate("go"), *OK])

    async def three_at_once() -> list[int]:
        async def one() -> None:
            async with aclosing(upstreams.of("m").stream(*asking("hello"))) as batches:
                assert [batch async for batch in batches]

        turns = [asyncio.create_task(one()) for _ in range(3)]
        await asyncio.to_thread(first.wait_at, "go")
        under_way = len(first.calls)
        first.open("go")
        await asyncio.gather(*turns)
        return [under_way, len(first.calls)]

    assert with_closing(upstreams, three_at_once()) == [1, 3]


def test_models_are_those_that_lead_to_their_upstream(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstreams = configure(
        {"models": ["a*"], "aliases": {"fast": "a1", "a2": "a2"}}, {"models": ["b*"], "aliases": {"fast": "b1"}}
    )
    first.models = Reply(200, b'{"data":[{"id":"a1"},{"id":"a2"},{"id":"b1"},{"id":"c1"}]}')
    second.models = Reply(200, b'{"data":[{"id":"a1"},{"id":"b1"}]}')
    listed = with_closing(upstreams, upstreams.models())
    assert [(model["id"], model["owned_by"]) for model in listed] == [
        ("fast", "first"),
        ("a2", "first"),
        ("a1", "upstream"),
        ("b1", "upstream"),
    ]


def test_models_of_an_upstream_that_fails_are_left_out(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstreams = configure({"models": ["a*"]}, {"models": ["scripted"]})
    first.models = Reply(500)
    assert [model["id"] for model in with_closing(upstreams, upstreams.models())] == ["scripted"]
    second.models = Reply(500)
    with pytest.raises(UpstreamError):
        with_closing(upstreams, upstreams.models())


@pytest.mark.parametrize(
    ("refusal", "served"), [(Reply(503), b'{"by": "second"}'), (Reply(400), None)], ids=["away", "not to be asked"]
)
def test_a_request_of_the_servers_own_dialect_goes_the_same_ways(
    configure: Any, first: ScriptedUpstream, second: ScriptedUpstream, refusal: Reply, served: bytes | None
) -> None:
    upstreams = configure({"aliases": {"m": "ours"}, "fallbacks": ["second"]}, {"aliases": {"m": "theirs"}})
    first.script("hello", [refusal])
    second.script("hello", [Reply(200, b'{"by": "second"}')])

    async def forwarded() -> bytes | None:
        try:
            answer = await upstreams.of("m").forward("embeddings", {"model": "m", "input": "hello"})
        except UpstreamError:
            return None
        return b"".join([piece async for piece in answer.pieces()])

    assert with_closing(upstreams, forwarded()) == served
    assert [call.body["model"] for call in second.calls] == (["theirs"] if served else [])
