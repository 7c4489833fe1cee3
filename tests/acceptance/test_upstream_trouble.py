"""A model server that refuses, fails, hangs, breaks off or sends garbage (Q7, R11, S3, I2).

Whatever it does, the turn ends, says why in our own words, keeps what was said, and repeats nothing of the upstream's.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from openai import OpenAI
from openai.types.responses import Response

from shared.cli.listener import free_port
from tests.acceptance.turns import answer, ended
from tests.raw_http import DONE, RawStream, numbers, text_of
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.stream_rules import check_stream
from tests.unit.core.response_shape import assert_ended
from tests.upstream_steps import Cut, Gate, Raw, Reply, Say, Stall, Step

CANARY = "canary-sk-4f1d-upstream-said-this"
SILENCE_SECONDS = 0.5


@pytest.fixture(scope="module")
def troubled(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A stack with little patience that logs all it can."""
    settings = {
        "UPSTREAM_FIRST_BYTE_SECONDS": SILENCE_SECONDS,
        "UPSTREAM_IDLE_SECONDS": SILENCE_SECONDS,
        "UPSTREAM_ATTEMPTS": 2,
        "HEARTBEAT_SECONDS": 0.1,
        "LOG_LEVEL": "debug",
    }
    with new_stack(apis=1, settings=settings) as running:
        yield running


@pytest.fixture
def sdk(troubled: Stack) -> Iterator[OpenAI]:
    with OpenAI(base_url=troubled.url(), api_key="unused", max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def run(troubled: Stack, sdk: OpenAI, upstream: ScriptedUpstream, topic: str) -> Callable[..., Response]:
    """Run a turn in background, on a model server that does these steps; its stream and its stored form agree."""

    def turn(*calls: Sequence[Step]) -> Response:
        upstream.script(topic, *calls)
        body = {"model": "m", "input": topic, "background": True, "stream": True}
        with RawStream.post(troubled.url(), "/responses", body) as stream:
            events = list(stream.events())
        assert stream.frames[-1] == DONE
        assert numbers(events) == list(range(len(events)))
        check_stream(events)
        stored = ended(sdk, events[0]["response"]["id"])
        assert_ended(events[-1]["response"])
        assert events[-1]["response"] == stored.to_dict(mode="json")
        assert text_of(events) == stored.output_text
        assert CANARY not in stored.to_json()
        assert CANARY not in troubled.log_text()
        return stored

    return turn


def error_reply(status: int, **headers: str) -> list[Step]:
    body = b'{"error": {"message": "%s", "type": "%s", "code": "%s"}}' % ((CANARY.encode(),) * 3)
    return [Reply(status, body, {"Content-Type": "application/json", **headers})]


def failed(response: Response, code: str) -> str:
    """The public message of a failed response."""
    assert response.status == "failed"
    assert response.error is not None
    assert response.error.code == code
    assert response.completed_at is None
    return response.error.message


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (400, "invalid_prompt", "rejected the request"),
        (401, "server_error", "refused our credentials"),
        (403, "server_error", "refused our credentials"),
        (404, "server_error", "does not know the model"),
        (302, "server_error", "unexpected answer"),
    ],
)
def test_a_refusal_fails_the_turn_at_once(
    run: Any, upstream: ScriptedUpstream, topic: str, status: int, code: str, says: str
) -> None:
    assert says in failed(run(error_reply(status)), code)
    assert len(upstream.calls_with(topic)) == 1


def test_failures_before_the_first_word_are_tried_again(run: Any, upstream: ScriptedUpstream, topic: str) -> None:
    stored = run(error_reply(500), answer("At last."))
    assert stored.output_text == "At last."
    assert stored.turnstone["attempts"] == 1
    assert len(upstream.calls_with(topic)) == 2


def test_failures_that_go_on_fail_the_turn(run: Any, upstream: ScriptedUpstream, topic: str) -> None:
    assert "HTTP 503" in failed(run(error_reply(503)), "server_error")
    assert len(upstream.calls_with(topic)) == 2


def test_retry_after_is_waited_for(run: Any, upstream: ScriptedUpstream, topic: str) -> None:
    stored = run(error_reply(429, **{"Retry-After": "1"}), answer("Now."))
    assert stored.output_text == "Now."
    first, second = upstream.calls_with(topic)
    assert second.started_at - first.started_at >= 1


def test_too_many_requests_for_good_is_said_by_its_own_code(run: Any) -> None:
    assert "too many requests" in failed(run(error_reply(429, **{"Retry-After": "0"})), "rate_limit_exceeded")


def test_a_cut_before_the_first_word_is_tried_again(run: Any) -> None:
    assert run([Cut()], answer("There.")).output_text == "There."


def test_a_cut_in_mid_stream_keeps_what_was_said_and_is_not_tried_again(
    run: Any, upstream: ScriptedUpstream, topic: str
) -> None:
    """R11; G5: output of two calls is never mixed."""
    stored = run([Say("Half of "), Cut()])
    assert "broke off" in failed(stored, "server_error")
    assert stored.output_text == "Half of "
    assert stored.output[0].status == "incomplete"
    assert len(upstream.calls_with(topic)) == 1


def test_silence_before_the_first_byte_ends_the_turn(run: Any) -> None:
    assert "did not begin to answer in time" in failed(run([Stall()]), "server_error")


def test_silence_in_mid_stream_ends_the_turn_and_keeps_what_was_said(run: Any) -> None:
    stored = run([Say("Half of "), Stall()])
    assert "stopped sending" in failed(stored, "server_error")
    assert stored.output_text == "Half of "


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {" + CANARY.encode() + b"\n\n",
        b"data: [1, 2]\n\n",
        b'data: {"choices": 5}\n\n',
        b"\xff\xfe\x00\x01" + CANARY.encode(),
        b"<html>" + CANARY.encode() + b"</html>",
        b'data: {"error": {"message": "' + CANARY.encode() + b'"}}\n\n',
    ],
    ids=["broken JSON", "a list", "a number for choices", "binary", "HTML", "an error object"],
)
@pytest.mark.parametrize("said", [[], [Say("Half of ")]], ids=["at once", "in mid-stream"])
def test_garbage_ends_the_turn_and_is_not_repeated(run: Any, garbage: bytes, said: list[Step]) -> None:
    stored = run([*said, Raw(garbage)])
    failed(stored, "server_error")
    assert stored.output_text == ("Half of " if said else "")


def test_an_html_page_instead_of_an_answer(run: Any) -> None:
    page = Reply(200, f"<html>{CANARY}</html>".encode(), {"Content-Type": "text/html"})
    assert "cannot be read" in failed(run([page]), "server_error")


def test_a_context_overflow_is_the_callers_to_fix(run: Any) -> None:
    body = b'{"error": {"message": "%s maximum context length is 4096", "code": 400}}' % CANARY.encode()
    assert "too long for the context window" in failed(run([Reply(400, body)]), "invalid_prompt")


def test_a_foreground_turn_fails_as_a_response_not_as_an_http_error(
    sdk: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """A failed turn is a fact about the turn: 200, status failed, stored."""
    upstream.script(topic, error_reply(400))
    turn = sdk.responses.create(model="m", input=topic)
    failed(turn, "invalid_prompt")
    assert sdk.responses.retrieve(turn.id) == turn


def test_a_failed_parent_can_be_followed_up(sdk: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, error_reply(400), answer("Better."))
    parent = sdk.responses.create(model="m", input=topic)
    child = sdk.responses.create(model="m", input=f"again {topic}", previous_response_id=parent.id)
    assert child.output_text == "Better."
    assert upstream.calls_with(topic)[-1].body["messages"][0]["content"] == topic


def test_heartbeats_are_comments_while_the_model_thinks(
    troubled: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    """S8."""
    upstream.script(topic, answer(Gate(topic), "Done."))
    body = {"model": "m", "input": topic, "background": True, "stream": True}
    with RawStream.post(troubled.url(), "/responses", body) as stream:
        frames = stream.raw_events()
        heartbeat = next(frame for frame in frames if not frame.startswith(b"event: "))
        assert heartbeat == b": keep-alive\n\n"
        upstream.open(topic)
        assert list(frames)[-1] == DONE


def test_a_model_server_that_is_not_there(new_stack: Callable[..., Stack]) -> None:
    """The API is ready all the same, models are a 502, turns fail clearly."""
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    with (
        new_stack(apis=1, upstream_url=nowhere, settings={"UPSTREAM_ATTEMPTS": 1}) as lonely,
        OpenAI(base_url=lonely.url(), api_key="unused", max_retries=0) as client,
    ):
        turn = client.responses.create(model="m", input="hello")
        assert "could not be reached" in failed(turn, "server_error")
        with RawStream.get(lonely.url(), "/models") as models:
            assert models.status == 502
            assert models.json()["error"].keys() == {"message", "type", "param", "code"}
