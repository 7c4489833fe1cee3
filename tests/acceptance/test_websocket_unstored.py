"""`store=false` over a connection: gone on from by that connection alone, and only as long as nothing failed."""

import httpx2
import pytest

from tests.raw_websocket import RawSocket
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Reply

NOT_FOUND = (400, "previous_response_not_found", "previous_response_id")


def unstored(socket: RawSocket, text: str, **fields: object) -> str:
    """Run a turn that is not stored; its id."""
    end = socket.ask(input=text, store=False, **fields)
    assert end["type"] == "response.completed", end
    return str(end["response"]["id"])


def refusal(socket: RawSocket, previous: str) -> tuple[int, str, str]:
    """How going on from `previous` is refused."""
    end = socket.ask(input="go on", previous_response_id=previous)
    assert end["type"] == "error", end
    return end["status"], end["error"]["code"], end["error"]["param"]


def test_a_chain_of_unstored_turns_is_told_to_the_model_whole(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    with RawSocket(stack.url()) as socket:
        first = unstored(socket, "one")
        second = unstored(socket, "two", previous_response_id=first)
        unstored(socket, topic, previous_response_id=second)
    told = [message["content"] for message in upstream.calls_with(topic)[0].body["messages"]]
    assert told == ["one", "one", "two", "two", topic]


def test_two_branches_may_go_on_from_one_unstored_turn(stack: Stack) -> None:
    with RawSocket(stack.url()) as socket:
        root = unstored(socket, "root")
        for branch in ("a", "b"):
            unstored(socket, branch, previous_response_id=root)


def test_nobody_else_can_read_it_or_go_on_from_it(stack: Stack, http: httpx2.Client) -> None:
    with RawSocket(stack.url()) as socket, RawSocket(stack.url()) as other:
        made = unstored(socket, "mine")
        assert refusal(other, made) == NOT_FOUND
        assert http.get(f"/responses/{made}").status_code == 404
        over_http = http.post("/responses", json={"model": "m", "input": "x", "previous_response_id": made})
        assert over_http.json()["error"]["code"] == "previous_response_not_found"
        unstored(socket, "still mine", previous_response_id=made)


def test_it_is_forgotten_with_the_connection(stack: Stack) -> None:
    with RawSocket(stack.url()) as socket:
        made = unstored(socket, "mine")
    with RawSocket(stack.url()) as again:
        assert refusal(again, made) == NOT_FOUND
        assert again.ask(input="anew")["type"] == "response.completed"


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 5},
        {"model": None},
        {"input": [{"type": "function_call_output", "call_id": "call_none", "output": "x"}]},
    ],
    ids=["shape", "rule", "context"],
)
def test_a_refused_continuation_takes_its_parent_along(stack: Stack, fields: dict[str, object]) -> None:
    with RawSocket(stack.url()) as socket:
        made, other = unstored(socket, "one"), unstored(socket, "two")
        assert socket.ask(**{"input": "x", "previous_response_id": made} | fields)["type"] == "error"
        assert refusal(socket, made) == NOT_FOUND
        unstored(socket, "three", previous_response_id=other)


def test_a_failed_continuation_takes_its_parent_along(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, [Reply(400, b"{}")])
    with RawSocket(stack.url()) as socket:
        made = unstored(socket, "one")
        failed = socket.ask(input=topic, previous_response_id=made, store=False)
        assert failed["type"] == "response.failed"
        assert refusal(socket, made) == NOT_FOUND
        assert refusal(socket, failed["response"]["id"]) == NOT_FOUND


def test_a_stored_parent_outlives_a_failed_continuation(stack: Stack) -> None:
    with RawSocket(stack.url()) as socket:
        made = socket.ask(input="one")["response"]["id"]
        assert socket.ask(input="x", temperature=5, previous_response_id=made)["type"] == "error"
        assert socket.ask(input="x", previous_response_id=made)["type"] == "response.completed"


def test_an_unstored_turn_without_generation_is_gone_on_from(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    with RawSocket(stack.url()) as socket:
        ready = unstored(socket, "be brief", generate=False)
        unstored(socket, topic, previous_response_id=ready)
    told = [message["content"] for message in upstream.calls_with(topic)[0].body["messages"]]
    assert told == ["be brief", topic]
