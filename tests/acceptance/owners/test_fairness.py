"""Q6: one owner's many turns delay nobody else's; a full queue refuses before it accepts, and the SDK comes again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from openai import DefaultHttpxClient, OpenAI

from tests.acceptance.owners.conftest import Closed
from tests.acceptance.turns import answer, ended, script_gated
from tests.eventually import eventually
from tests.figures import Figures
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack

SLOTS = 4
SHARE = SLOTS // 2
MANY = 150
MOST_QUEUED = 160
MOST_A_MINUTE = 200
COUNTED = ("/responses", "/responses/compact", "/responses/input_tokens", "/chat/completions", "/embeddings")
BODY = {"model": "m", "background": True}


@pytest.fixture(scope="module")
def busy(new_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """A server of few slots and a short queue."""
    file: Path = tmp_path_factory.mktemp("bootstrap") / "first.key"
    settings = {"BOOTSTRAP_KEY_FILE": file, "SECRET_KEY": "s" * 32}
    limits = {
        "WORKER_CONCURRENCY": SLOTS,
        "QUEUED_TURNS_PER_OWNER": MOST_QUEUED,
        "REQUESTS_PER_MINUTE_PER_OWNER": MOST_A_MINUTE,
    }
    with new_stack(settings=settings | limits) as stack:
        yield Closed(stack, file.read_text())


def test_many_turns_of_one_owner_leave_room_for_another(busy: Closed, upstream: ScriptedUpstream, topic: str) -> None:
    """However long they run: the first owner's turns stand still, and all come to their end when they may."""
    script_gated(upstream, topic)
    upstream.script("a quick one", answer("Hello."))
    with busy.client(busy.keys("create", "--owner", "many")) as many, busy.sdk("one") as one:
        with ThreadPoolExecutor(8) as pool:
            posts = [pool.submit(many.post, "/responses", json=BODY | {"input": topic}) for _ in range(MANY)]
        made = [post.result().json()["id"] for post in posts]
        upstream.wait_for_calls(SHARE, topic)
        first = one.responses.create(model="m", input="a quick one", background=True)
        assert ended(one, first.id, seconds=3).output_text == "Hello."
        assert len(upstream.calls_with(topic)) == SHARE
        upstream.open(topic)
        eventually(lambda: all(_completed(many, response_id) for response_id in made), 60)


def _completed(client: httpx2.Client, response_id: str) -> bool:
    return bool(client.get(f"/responses/{response_id}").json()["status"] == "completed")


def test_a_full_queue_refuses_and_the_official_sdk_comes_again(
    busy: Closed, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    answers: list[httpx2.Response] = []

    def note(received: httpx2.Response) -> None:
        answers.append(received)
        if received.status_code == 429:
            upstream.open(topic)

    key = busy.keys("create", "--owner", "full")
    with busy.client(key) as plain:
        for _ in range(SHARE):
            plain.post("/responses", json=BODY | {"input": topic})
        upstream.wait_for_calls(SHARE, topic)
        for _ in range(MOST_QUEUED):
            assert plain.post("/responses", json=BODY | {"input": topic}).status_code == 200
        http = DefaultHttpxClient(event_hooks={"response": [note]})
        with OpenAI(base_url=busy.stack.url(), api_key=key, max_retries=5, http_client=http) as sdk:
            accepted = sdk.responses.create(model="m", input=topic, background=True)
            assert ended(sdk, accepted.id, seconds=60).status == "completed"
        refused = answers[0]
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert _refusals(busy, "queued_turns_per_owner") == 1


def test_too_many_requests_in_a_minute_are_refused_on_every_process(busy: Closed) -> None:
    """What makes no model work is not counted; the minute is over when `Retry-After` says so."""
    key = busy.keys("create", "--owner", "hasty")
    with busy.client(key) as here, busy.client(key, api=1) as there:
        for number in range(MOST_A_MINUTE):
            client = here if number % 2 else there
            assert client.post("/responses", json={"model": 5}).status_code == 400
        for client in (here, there):
            for path in COUNTED:
                refused = client.post(path, json=BODY)
                assert refused.status_code == 429
                assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert client.get("/responses").status_code == 200
    assert [_refusals(busy, "requests_per_minute", api) for api in (0, 1)] == [len(COUNTED)] * 2


def _refusals(busy: Closed, reason: str, api: int = 0) -> float:
    with busy.client(busy.operator) as operator:
        figures = operator.get(busy.stack.url(api).removesuffix("/v1") + "/metrics").text
    return Figures.of(figures).total("turnstone_refusals_total", reason=reason)
