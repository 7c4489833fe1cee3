"""G25: more streams than a process holds are answered 429 with Retry-After, and nothing is accepted."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx2
import pytest
from openai import DefaultHttpxClient, OpenAI

from shared.store.engine import Database
from tests.acceptance.turns import script_gated
from tests.eventually import eventually
from tests.raw_http import RawStream
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.stored_turns import row

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


def test_who_is_refused_has_seen_nothing(small: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    """G5: a turn that nobody reads may still be started anew."""
    script_gated(upstream, topic)
    body = {"model": "m", "input": topic, "background": True}
    with ExitStack() as streams:
        for _ in range(MOST):
            streams.enter_context(RawStream.post(small.url(), "/responses", body | {"stream": True})).next_event()
        unread = httpx2.post(f"{small.url()}/responses", json=body).json()["id"]
        for path in (f"/responses/{unread}?stream=true", f"/responses/{unread}/events"):
            with RawStream.get(small.url(), path) as refused:
                assert refused.status == 429
        database = Database(small.environment["TURNSTONE_DATABASE_URL"])
        assert not row(database, unread)["observed"]
        database.close()
        upstream.open(topic)


def test_the_official_sdk_waits_and_gets_its_stream(small: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    answers: list[int] = []

    def note(answer: httpx2.Response) -> None:
        answers.append(answer.status_code)
        if answer.status_code == 429:
            upstream.open(topic)

    http = DefaultHttpxClient(event_hooks={"response": [note]})
    with OpenAI(base_url=small.url(), api_key="unused", max_retries=5, http_client=http) as client:
        made = client.responses.create(model="m", input=topic, background=True)
        with ExitStack() as streams:
            for _ in range(MOST):
                path = f"/responses/{made.id}?stream=true"
                streams.enter_context(RawStream.get(small.url(), path)).next_event()
            last = list(client.responses.retrieve(made.id, stream=True))[-1]
    assert last.type == "response.completed"
    assert 429 in answers


def _status(stack: Stack, response_id: str) -> int:
    with httpx2.stream("GET", f"{stack.url()}/responses/{response_id}?stream=true") as answer:
        return answer.status_code
