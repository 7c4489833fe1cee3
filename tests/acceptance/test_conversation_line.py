"""Turns of one conversation are answered one after the other, in the order of their acceptance (G22, Q1, Q5)."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from openai.types.responses import Response

from tests.acceptance.turns import ended, script_gated
from tests.eventually import eventually
from tests.raw_http import RawStream
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Reply

TURNS = 50
LINE_SECONDS = 60.0


def seen(upstream: ScriptedUpstream, text: str) -> list[str]:
    """What the user said in the last call whose last user text holds `text`."""
    messages = upstream.calls_with(text)[-1].body["messages"]
    return [message["content"] for message in messages if message["role"] == "user"]


def post(client: OpenAI, conversation: str, text: str) -> Response:
    return client.responses.create(model="m", input=text, conversation=conversation, background=True)


def in_line(client: OpenAI, upstream: ScriptedUpstream, topic: str, count: int) -> tuple[str, list[Response]]:
    """A conversation whose first turn stands at the gate named `topic`, and the turns behind it."""
    script_gated(upstream, f"turn 0 {topic}")
    conversation = client.conversations.create().id
    turns = [post(client, conversation, f"turn {number} {topic}") for number in range(count)]
    upstream.wait_at(f"turn 0 {topic}")
    return conversation, turns


def in_background(client: OpenAI, **request: Any) -> str:
    return ended(client, client.responses.create(background=True, **request).id, LINE_SECONDS).output_text


def in_foreground(client: OpenAI, **request: Any) -> str:
    return client.responses.create(**request).output_text


def streamed(client: OpenAI, **request: Any) -> str:
    events = list(client.responses.create(stream=True, **request))
    assert events[-1].type == "response.completed"
    return events[-1].response.output_text


def test_fifty_turns_at_once_are_answered_in_order_each_with_all_before_it(
    client: OpenAI, other: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """G22: background, foreground and streams alike, at two API processes."""
    conversation = client.conversations.create().id
    ways: list[Callable[..., str]] = [in_background, in_foreground, streamed]
    sdks = [sdk.with_options(timeout=LINE_SECONDS) for sdk in (client, other)]

    def ask(number: int) -> tuple[str, str]:
        text = f"turn {number} {topic}"
        way, sdk = ways[number % len(ways)], sdks[number % len(sdks)]
        return text, way(sdk, model="m", input=text, conversation=conversation)

    with ThreadPoolExecutor(TURNS) as pool:
        answers = list(pool.map(ask, range(TURNS)))
    assert [reply for _, reply in answers] == [text for text, _ in answers]
    calls = upstream.calls_with(topic)
    assert len(calls) == TURNS
    exchanged: list[str] = []
    for call in calls:
        said = [message["content"] for message in call.body["messages"]]
        assert said[:-1] == exchanged
        exchanged += [said[-1], said[-1]]
    remembered = client.conversations.items.list(conversation, order="asc", limit=100)
    assert [item.content[0].text for item in remembered] == exchanged  # type: ignore[union-attr]


def test_a_waiting_turn_shows_its_place_in_the_line(
    client: OpenAI, http: httpx2.Client, upstream: ScriptedUpstream, topic: str
) -> None:
    """Q5: as the turns before it end, it moves up."""
    _, turns = in_line(client, upstream, topic, 4)

    def place(turn: Response) -> Any:
        return http.get(f"/responses/{turn.id}").json()["turnstone"].get("queue_position")

    assert [place(turn) for turn in turns] == [None, 1, 2, 3]
    assert [turn.to_dict()["turnstone"]["queue_position"] for turn in turns[1:]] == [1, 2, 3]  # type: ignore[index]
    client.responses.cancel(turns[1].id)
    assert [place(turn) for turn in turns[2:]] == [1, 2]
    assert client.responses.retrieve(turns[3].id).status == "queued"
    assert [upstream.calls_with(f"turn {number} {topic}") for number in (1, 2, 3)] == [[], [], []]
    upstream.open(f"turn 0 {topic}")
    assert ended(client, turns[3].id).status == "completed"
    assert place(turns[3]) is None


def test_a_cancelled_turn_lets_the_next_one_go_without_it(
    client: OpenAI, other: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """Waiting or running: the rest of the line never waits for it, nor sees it."""
    _, turns = in_line(client, upstream, topic, 4)
    other.responses.cancel(turns[2].id)
    other.responses.cancel(turns[0].id)
    assert [ended(client, turn.id).status for turn in turns] == ["cancelled", "completed", "cancelled", "completed"]
    assert seen(upstream, f"turn 3 {topic}") == [f"turn 1 {topic}", f"turn 3 {topic}"]


def test_a_failed_turn_lets_the_next_one_go_without_it(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    conversation, turns = in_line(client, upstream, topic, 1)
    upstream.script(f"bad {topic}", [Reply(400)])
    turns += [post(client, conversation, f"{name} {topic}") for name in ("bad", "good")]
    upstream.open(f"turn 0 {topic}")
    assert [ended(client, turn.id).status for turn in turns] == ["completed", "failed", "completed"]
    assert seen(upstream, f"good {topic}") == [f"turn 0 {topic}", f"good {topic}"]


def test_a_caller_who_leaves_the_line_holds_nobody_up(
    client: OpenAI, stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    """Q4: a foreground turn is cancelled with its connection, while it waits too."""
    conversation, turns = in_line(client, upstream, topic, 1)
    body = {"model": "m", "input": f"left {topic}", "conversation": conversation, "stream": True}
    with RawStream.post(stack.url(1), "/responses", body) as stream:
        left = stream.next_event()["response"]["id"]
    last = post(client, conversation, f"last {topic}")
    assert ended(client, left).status == "cancelled"
    assert client.responses.retrieve(last.id).status == "queued"
    upstream.open(f"turn 0 {topic}")
    assert ended(client, last.id).status == "completed"
    assert seen(upstream, f"last {topic}") == [f"turn 0 {topic}", f"last {topic}"]
    assert ended(client, turns[0].id).status == "completed"


def test_conversations_do_not_wait_for_each_other(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    in_line(client, upstream, topic, 2)
    other = client.conversations.create()
    assert client.responses.create(model="m", input=f"free {topic}", conversation=other.id).status == "completed"
    upstream.open(f"turn 0 {topic}")


@pytest.fixture(params=["sqlite", "postgres"])
def fragile(request: pytest.FixtureRequest, new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A stack whose leases are short, so that a dead worker is noticed soon."""
    options: dict[str, Any] = {"apis": 1, "settings": {"LEASE_SECONDS": 2, "SWEEP_SECONDS": 0.5}}
    if request.param == "postgres":
        options["database_url"] = request.getfixturevalue("postgres_database_url")
    with new_stack(**options) as running:
        yield running


def test_a_worker_killed_in_a_turn_leaves_no_conversation_blocked(
    fragile: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    """G22, G4: a turn that nobody saw runs again in its place; one that was seen fails, and the next goes on."""
    (worker,) = fragile.workers
    with OpenAI(base_url=fragile.url(), api_key="unused", timeout=LINE_SECONDS, max_retries=0) as client:
        _, unseen = in_line(client, upstream, f"unseen {topic}", 3)
        script_gated(upstream, f"turn 0 watched {topic}")
        conversation = client.conversations.create().id
        body = {"model": "m", "input": f"turn 0 watched {topic}", "conversation": conversation, "background": True}
        with RawStream.post(fragile.url(), "/responses", {**body, "stream": True}) as stream:
            watched = stream.until("response.output_text.delta")[0]["response"]["id"]
            after = post(client, conversation, f"turn 1 watched {topic}")
            worker.kill()
            for gate in ("unseen", "watched"):
                upstream.open(f"turn 0 {gate} {topic}")
            worker.start()
            assert [ended(client, turn.id, LINE_SECONDS).status for turn in unseen] == ["completed"] * 3
        assert ended(client, watched, LINE_SECONDS).status == "failed"
        assert ended(client, after.id, LINE_SECONDS).status == "completed"
    unseen_texts = [f"turn {number} unseen {topic}" for number in range(3)]
    assert seen(upstream, unseen_texts[2]) == unseen_texts
    assert seen(upstream, f"turn 1 watched {topic}") == [f"turn 1 watched {topic}"]


def test_a_turn_may_wait_longer_for_another_than_for_a_worker(
    new_stack: Callable[..., Stack], upstream: ScriptedUpstream, topic: str
) -> None:
    """The time to find a worker begins when the turn before has ended."""
    with (
        new_stack(apis=1, settings={"FOREGROUND_QUEUE_SECONDS": 1}) as stack,
        OpenAI(base_url=stack.url(), api_key="unused", timeout=LINE_SECONDS, max_retries=0) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        conversation, _ = in_line(client, upstream, topic, 1)
        waiting: list[Future[str]] = [
            pool.submit(way, client, model="m", input=f"waiting {topic}", conversation=conversation)
            for way in (in_foreground, streamed)
        ]
        listed = {"conversation": conversation, "status": "queued"}
        url = f"{stack.url()}/responses"
        eventually(lambda: len(httpx2.get(url, params=listed).json()["data"]) == 2, what="both to stand in line")
        stack.workers[0].signal(signal.SIGSTOP)
        # Two that find no worker, one after the other, tell that twice that time has passed.
        for _ in range(2):
            assert httpx2.post(url, json={"model": "m", "input": "x"}, timeout=30).status_code == 503
        stack.workers[0].signal(signal.SIGCONT)
        upstream.open(f"turn 0 {topic}")
        assert [future.result(LINE_SECONDS) for future in waiting] == [f"waiting {topic}"] * 2


def test_a_server_may_be_set_to_refuse_what_would_wait(
    new_stack: Callable[..., Stack], upstream: ScriptedUpstream, topic: str
) -> None:
    """TURNSTONE_CONVERSATION_CONCURRENCY=reject: OpenAI's refusal, which the SDK tries again by itself."""
    with (
        new_stack(apis=1, settings={"CONVERSATION_CONCURRENCY": "reject"}) as stack,
        OpenAI(base_url=stack.url(), api_key="unused", timeout=LINE_SECONDS, max_retries=0) as client,
    ):
        conversation, (turn,) = in_line(client, upstream, topic, 1)
        for param, value in (("conversation", conversation), ("previous_response_id", turn.id)):
            body = {"model": "m", "input": "x", param: value, "background": True}
            refused = httpx2.post(f"{stack.url()}/responses", json=body)
            assert (refused.status_code, refused.headers["x-should-retry"]) == (400, "true")
            assert (refused.json()["error"]["code"], refused.json()["error"]["param"]) == ("conversation_locked", param)
        listed = httpx2.get(f"{stack.url()}/responses").json()["data"]
        assert [found["id"] for found in listed] == [turn.id]
        with ThreadPoolExecutor(1) as pool:
            patient = client.with_options(max_retries=10)
            again = pool.submit(in_foreground, patient, model="m", input=f"again {topic}", conversation=conversation)
            upstream.open(f"turn 0 {topic}")
            assert again.result(LINE_SECONDS) == f"again {topic}"
