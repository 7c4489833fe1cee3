"""How a connection ends: the client leaves, its time is up, the server stops; and how many there may be."""

import json
import signal
import socket as sockets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest
from openai import OpenAI
from openai.types.websocket_reconnection import ReconnectingEvent
from websockets.exceptions import InvalidStatus

from tests.acceptance.turns import answer, ended, script_gated
from tests.eventually import eventually
from tests.figures import Figures
from tests.raw_http import text_of
from tests.raw_websocket import RawSocket
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Gate, Stall

CLOSE_SECONDS = 1.0
LIVES_SECONDS = 4.0
PIECES = 300
PIECE = "x" * 32_768
READERS = 3
MOST_GROWTH_BYTES = 15 * 1024 * 1024


@pytest.mark.parametrize("leave", ["close", "drop"])
def test_a_client_that_leaves_takes_its_running_turns_with_it_within_a_second(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str, leave: str
) -> None:
    script_gated(upstream, topic)
    with RawSocket(stack.url()) as socket:
        ids = []
        for lane in ("a", "b"):
            socket.create(input=f"{topic} {lane}", stream_id=lane)
            ids.append(socket.until("response.output_text.delta")[0]["response"]["id"])
        socket.create(input=f"{topic} waiting", stream_id="a")
        left = time.monotonic()
        socket.connection.close() if leave == "close" else socket.drop()
        for call in upstream.calls_with(topic):
            call.wait_closed_by_client()
    assert time.monotonic() - left < CLOSE_SECONDS
    for response_id in ids:
        stored = ended(client, response_id)
        assert (stored.status, stored.output_text) == ("cancelled", "First. ")
    assert upstream.calls_with(f"{topic} waiting") == []


def test_it_is_noticed_before_the_model_has_said_anything(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, [Gate(topic), Stall()])
    with RawSocket(stack.url()) as socket:
        socket.create(input=topic)
        call = upstream.wait_at(topic)
        left = time.monotonic()
        socket.drop()
        call.wait_closed_by_client()
    assert time.monotonic() - left < CLOSE_SECONDS


def test_a_background_turn_runs_on_without_its_client(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    with RawSocket(stack.url()) as socket:
        socket.create(input=topic, background=True)
        response_id = socket.until("response.output_text.delta")[0]["response"]["id"]
    upstream.open(topic)
    assert ended(client, response_id).output_text == "First. Last."


@pytest.fixture(scope="module")
def short_lived(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    with new_stack(apis=1, settings={"WEBSOCKET_SECONDS": LIVES_SECONDS, "STREAMS_PER_OWNER": 3}) as running:
        yield running


def test_a_connection_lives_for_its_time_and_its_last_turns_are_said_to_the_end(
    short_lived: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    with RawSocket(short_lived.url()) as socket:
        socket.create(input=topic)
        socket.until("response.output_text.delta")
        refusals = []
        while not refusals:  # once its time is up, a new lane gets nothing but refusals
            if socket.ask(input="quick", stream_id="b")["type"] == "error":
                refusals.append(True)
        upstream.open(topic)
        events = list(socket.to_close())
        assert "response.completed" in [event["type"] for event in events]
        assert (events[-1]["type"], events[-1]["status"]) == ("error", 400)
        assert events[-1]["error"]["code"] == "websocket_connection_limit_reached"
        assert socket.closed[0] == 1001


def test_the_official_sdk_reconnects_when_the_time_is_up(short_lived: Stack) -> None:
    with OpenAI(base_url=short_lived.url(), api_key="unused") as client:
        codes: list[int] = []

        def ask_again(event: ReconnectingEvent) -> None:
            codes.append(event.close_code)
            connection.response.create(model="m", input="after")

        with client.responses.connect(on_reconnecting=ask_again) as connection:
            text = next(event.response.output_text for event in connection if event.type == "response.completed")
    assert (codes, text) == ([1001], "after")


def test_connections_and_their_running_turns_are_counted_as_streams(
    short_lived: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    # Those of the tests before are gone.
    address = short_lived.url().removesuffix("/v1")
    eventually(lambda: Figures.at(address).total("turnstone_open_streams") == 0)
    with ExitStack() as sockets:
        first, _second = (sockets.enter_context(RawSocket(short_lived.url())) for _ in range(2))
        first.create(input=topic, stream_id="a")
        first.until("response.output_text.delta")
        with pytest.raises(InvalidStatus) as caught:
            RawSocket(short_lived.url())
        response = caught.value.response
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) >= 1
        assert json.loads(response.body or b"")["error"]["code"] == "rate_limit_exceeded"
        first.create(input="one more", stream_id="b")
        refused = first.until("error")[-1]
        assert (refused["status"], refused["stream_id"]) == (429, "b")
        upstream.open(topic)
        assert first.turn()[-1]["type"] == "response.completed"


def refuses(port: int) -> bool:
    try:
        sockets.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_server_that_stops_lets_turns_come_to_their_end_and_says_that_it_restarts(
    new_stack: Callable[..., Stack], upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    upstream.script(f"endless {topic}", [Stall()])
    with (
        new_stack(apis=1, settings={"DRAIN_SECONDS": 1}) as stack,
        RawSocket(stack.url()) as idle,
        RawSocket(stack.url()) as background,
        RawSocket(stack.url()) as busy,
        RawSocket(stack.url()) as stuck,
    ):
        for socket, fields in ((background, {"background": True}), (stuck, {})):
            socket.create(input=f"endless {topic}", **fields)
            socket.until("response.in_progress")
        busy.create(input=topic)
        busy.until("response.output_text.delta")
        busy.create(input="too late")
        stack.apis[0].signal(signal.SIGTERM)
        for socket in (idle, background):
            assert list(socket.to_close()) == []
            assert socket.closed[0] == 1012
        eventually(lambda: refuses(stack.apis[0].port), what="the server to turn to its connections")
        upstream.open(topic)
        ends = [event for event in busy.to_close() if event["type"] in ("response.completed", "error")]
        assert [end["type"] for end in ends] == ["response.completed", "error"]
        assert ends[1]["status"] == 503
        assert busy.closed[0] == 1012
        assert list(stuck.to_close()) == []
        assert stuck.closed[0] == 1012
        assert stack.apis[0].wait(10) == -signal.SIGTERM
        assert "Traceback" not in stack.apis[0].said


def test_clients_that_read_nothing_cost_bounded_memory_and_get_everything_later(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    """Ten megabytes for each of three: an API process that kept them would grow by thirty."""
    upstream.script(topic, answer(*[PIECE] * PIECES, Gate(topic)))
    api = psutil.Process(stack.apis[0].pid)
    before = api.memory_info().rss
    with ExitStack() as clients:
        sleepers = [clients.enter_context(sleeper(stack)) for _ in range(READERS)]
        for one in sleepers:
            one.create(input=topic)
        eventually(lambda: len([call for call in upstream.calls_with(topic) if call.waiting_at]) == READERS, 60)
        growth = api.memory_info().rss - before
        upstream.open(topic)
        for one in sleepers:
            assert len(text_of(one.turn())) == PIECES * len(PIECE)
    assert growth < MOST_GROWTH_BYTES


def sleeper(stack: Stack) -> RawSocket:
    """A connection with room for next to nothing."""
    address = stack.url().removeprefix("http://").removesuffix("/v1").split(":")
    connection = sockets.socket()
    connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    connection.connect((address[0], int(address[1])))
    return RawSocket(stack.url(), sock=connection, max_queue=1)
