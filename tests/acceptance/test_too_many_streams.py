"""G25: more streams than a process holds are answered 429 with Retry-After, and nothing is accepted."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx2
import pytest
from openai import OpenAI

from tests.acceptance.turns import script_gated
from tests.raw_http import RawStream
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack, eventually

MOST = 3


@pytest.fixture(scope="module")
def small(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    with new_stack(apis=1, settings={"STREAMS_PER_OWNER": MOST}) as running:
        yield running


def test_one_stream_too_many_is_refused_until_another_is_closed(
    small: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    body = {"model": "m", "input": topic, "background": True, "stream": True}
    with ExitStack() as streams:
        first = streams.enter_context(RawStream.post(small.url(), "/responses", body))
        response_id = first.next_event()["response"]["id"]
        for _ in range(MOST - 1):
            streams.enter_context(RawStream.get(small.url(), f"/responses/{response_id}?stream=true")).next_event()
        for refused in (
            RawStream.post(small.url(), "/responses", body),
            RawStream.get(small.url(), f"/responses/{response_id}?stream=true"),
            RawStream.get(small.url(), f"/responses/{response_id}/events"),
        ):
            with refused:
                assert refused.status == 429
                assert int(refused.headers["retry-after"]) >= 1
                assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        upstream.wait_at(topic)
        assert len(upstream.calls_with(topic)) == 1
    eventually(lambda: _status(small, response_id) == 200, 10, "the streams to be let go")
    upstream.open(topic)


def test_the_official_sdk_waits_and_gets_its_stream(small: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    with OpenAI(base_url=small.url(), api_key="unused", max_retries=5) as client, ExitStack() as streams:
        made = client.responses.create(model="m", input=topic, background=True)
        for _ in range(MOST):
            path = f"/responses/{made.id}?stream=true"
            streams.enter_context(RawStream.get(small.url(), path)).next_event()
        upstream.open(topic)
        last = list(client.responses.retrieve(made.id, stream=True))[-1]
    assert last.type == "response.completed"


def _status(stack: Stack, response_id: str) -> int:
    with httpx2.stream("GET", f"{stack.url()}/responses/{response_id}?stream=true") as answer:
        return answer.status_code
