"""Traces, as a collector gets them: one for each turn, from its POST to its last event, and nothing private in it."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx2
import pytest
from openai import OpenAI

from tests.acceptance.conftest import REQUEST_SECONDS
from tests.acceptance.turns import answer, ended, script_gated
from tests.eventually import eventually
from tests.otlp_collector import Collector, Trace
from tests.raw_http import RawStream
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Reply

STOP_SECONDS = 10
OWNER = "an-owner-nobody-else-is"
POST = "POST /v1/responses"
IN_TURN = ["claim", "load context", "ask upstream", "finish", "publish end"]
CLIENTS_TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(
    new_stack: Callable[..., Stack], collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """One API process and one worker, which send their spans ten times a second."""
    file = tmp_path_factory.mktemp("bootstrap") / "first.key"
    settings = {"TRACING_ENDPOINT": collector.endpoint, "BOOTSTRAP_KEY_FILE": file, "SECRET_KEY": "s" * 32}
    stack = new_stack(apis=1, settings=settings)
    stack.environment["OTEL_BSP_SCHEDULE_DELAY"] = "100"
    with stack:
        yield stack


@pytest.fixture(scope="module")
def key(traced: Stack) -> str:
    command = [sys.executable, "-m", "shared.cli", "keys", "create", "--owner", OWNER]
    done = subprocess.run(command, env=traced.environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def sdk(traced: Stack, key: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=traced.url(), api_key=key, timeout=REQUEST_SECONDS, max_retries=0) as client:
        yield client


@pytest.fixture
def plain(traced: Stack, key: str) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=traced.url(), headers=headers, timeout=REQUEST_SECONDS) as client:
        yield client


def whole_trace(collector: Collector, response_id: str, post: str = POST) -> Trace:
    """Of a completed turn: every step is there once, under the request that made the turn."""
    trace = collector.trace_with(response_id, post, "store turn", "dispatch", "run turn", *IN_TURN)
    assert not trace.only(post).parent or trace.only(post).trace_id == CLIENTS_TRACE
    assert trace.only("store turn").parent == trace.only("dispatch").parent == trace.only(post).span_id
    run = trace.only("run turn")
    assert run.parent == trace.only(post).span_id
    assert [trace.only(step).parent for step in IN_TURN] == [run.span_id] * len(IN_TURN)
    return trace


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
@pytest.mark.parametrize("stream", [False, True], ids=["unstreamed", "stream"])
def test_a_turn_is_one_trace_from_its_post_to_its_last_event(
    sdk: OpenAI, collector: Collector, upstream: ScriptedUpstream, topic: str, background: bool, stream: bool
) -> None:
    upstream.script(topic, answer("Said."))
    if stream:
        with sdk.responses.create(model="m", input=topic, stream=True, background=background) as events:
            response_id = list(events)[-1].response.id  # type: ignore[union-attr]
    else:
        response_id = sdk.responses.create(model="m", input=topic, background=background).id
    trace = whole_trace(collector, response_id)
    run = trace.only("run turn")
    assert run.facts["turnstone.response_id"] == response_id
    assert (run.facts["turnstone.attempt"], run.facts["turnstone.status"]) == (1, "completed")
    assert run.facts["turnstone.request_id"] == trace.only(POST).facts["turnstone.request_id"]
    assert trace.only("ask upstream").facts["turnstone.upstream"] == "default"
    assert {run.service, trace.only(POST).service} == {"turnstone-worker", "turnstone-api"}


def test_libraries_tell_of_their_part_in_it(
    sdk: OpenAI, collector: Collector, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, answer("Said."))
    response_id = sdk.responses.create(model="m", input=topic, background=True).id
    trace = collector.trace_with(response_id, POST, "run turn")
    above = {(span.name, *trace.above(span)) for span in trace.spans}
    assert ("INSERT", "store turn", POST) in above
    assert ("POST", "ask upstream", "run turn", POST) in above
    assert ("UPDATE", "start output", "ask upstream", "run turn", POST) in above
    assert ("UPDATE", "finish", "run turn", POST) in above
    systems = {span.facts.get("db.system") for span in trace.spans}
    assert systems == {"sqlite", "redis", None}


def test_a_clients_trace_is_gone_on_with_as_far_as_the_model_server(
    plain: httpx2.Client, collector: Collector, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, answer("Said."))
    theirs = {
        "traceparent": f"00-{CLIENTS_TRACE}-b7ad6b7169203331-01",
        "tracestate": f"vendor={topic}",
        "baggage": f"secret={topic}",
    }
    response_id = plain.post("/responses", json={"model": "m", "input": topic}, headers=theirs).json()["id"]
    trace = whole_trace(collector, response_id)
    assert trace.only(POST).parent == "b7ad6b7169203331"
    (call,) = upstream.calls_with(topic)
    assert call.headers["traceparent"] == f"00-{CLIENTS_TRACE}-{trace.only('POST').span_id}-01"
    assert {"tracestate", "baggage"}.isdisjoint(name.lower() for name in call.headers)


def test_a_turn_over_a_websocket_is_a_trace_too(
    sdk: OpenAI, collector: Collector, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, answer("Said."))
    with sdk.responses.connect() as connection:
        connection.response.create(model="m", input=topic)
        while (event := connection.recv()).type != "response.completed":
            pass
    response_id = event.response.id
    whole_trace(collector, response_id, post="websocket response.create")


def test_the_end_of_a_cancelled_turn_is_in_its_own_trace(
    sdk: OpenAI, collector: Collector, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    response_id = sdk.responses.create(model="m", input=topic, background=True).id
    upstream.wait_at(topic)
    sdk.responses.cancel(response_id)
    ended(sdk, response_id)
    trace = collector.trace_with(response_id, POST, "run turn", "end from outside")
    end, run = trace.only("end from outside"), trace.only("run turn")
    assert end.parent == run.parent == trace.only(POST).span_id
    assert (end.facts["turnstone.status"], run.facts["turnstone.status"]) == ("cancelled", "lost")


def test_a_failed_turn_is_seen_to_have_failed(
    sdk: OpenAI, collector: Collector, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, [Reply(400, b"{}")])
    response_id = sdk.responses.create(model="m", input=topic, background=True).id
    run = collector.trace_with(response_id, "run turn").only("run turn")
    assert run.failed
    assert (run.facts["turnstone.status"], run.facts["error.type"]) == ("failed", "invalid_prompt")


def test_nothing_private_is_in_any_span(
    traced: Stack,
    plain: httpx2.Client,
    sdk: OpenAI,
    key: str,
    collector: Collector,
    upstream: ScriptedUpstream,
    topic: str,
) -> None:
    upstream.script(topic, answer(f"Said {topic}."))
    response_id = sdk.responses.create(
        model="m", input=topic, instructions=topic, metadata={"about": topic}, user=topic, background=True
    ).id
    token = plain.post(f"/responses/{response_id}/events/token").json()["token"]
    with RawStream.get(traced.url(), f"/responses/{response_id}/events?token={token}") as stream:
        assert list(stream.events())
    refused = {"model": "m", "input": [{"type": "message", "role": topic, "content": topic}]}
    assert plain.post("/responses", json=refused, headers={"x-client-request-id": topic}).status_code == 400
    assert plain.get(f"/responses/{topic}").status_code == 404
    assert plain.get(f"/nothing/{topic}?secret={topic}").status_code == 404
    whole_trace(collector, response_id)
    eventually(lambda: any(span.facts.get("http.response.status_code") == 404 for span in collector.spans))
    eventually(lambda: any(span.name == "GET" for span in collector.spans))
    for private in (topic, key, token, OWNER, str(traced.directory), traced.environment["TURNSTONE_REDIS_URL"]):
        assert not any(private.encode() in body for body in collector.bodies)


def test_what_nobody_asked_for_is_no_trace(traced: Stack, collector: Collector) -> None:
    """What a process does every second: sweeps, leases, beats, health checks."""
    with httpx2.Client(base_url=traced.url().removesuffix("/v1")) as client:
        assert client.get("/readyz").status_code == 200
    first = {span.name for span in collector.spans if not span.parent}
    assert first <= {name for name in first if name.startswith(("POST", "GET", "websocket"))}
    assert not any("readyz" in name for name in first)


def test_without_a_collector_turns_run_as_before(
    new_stack: Callable[..., Stack], upstream: ScriptedUpstream, topic: str
) -> None:
    """One that takes what it is sent, and never answers."""
    with Collector(answers=False) as silent:
        stack = new_stack(apis=1, settings={"TRACING_ENDPOINT": silent.endpoint})
        stack.environment |= {"OTEL_BSP_SCHEDULE_DELAY": "100"}
        upstream.script(topic, answer("Said."))
        with stack, OpenAI(base_url=stack.url(), api_key="unused", timeout=5, max_retries=0) as client:
            for _ in range(5):
                assert client.responses.create(model="m", input=topic).status == "completed"
            eventually(lambda: "traces_not_taken" in stack.apis[0].said and "traces_not_taken" in stack.workers[0].said)
            assert client.responses.create(model="m", input=topic).status == "completed"
            stack.apis[0].stop(STOP_SECONDS)
            stack.workers[0].stop(STOP_SECONDS)
        assert stack.log_text().count("traces_not_taken") == 2
        assert "export" not in stack.log_text().lower()
