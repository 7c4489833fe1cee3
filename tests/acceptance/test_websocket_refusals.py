"""What cannot be accepted over a WebSocket is answered by an error event that names it; the connection lives."""

import json
from contextlib import suppress
from typing import Any

import pytest
from openai.types.responses.responses_server_event import ResponseWsError
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.acceptance.conftest import MAX_BODY_BYTES
from tests.raw_websocket import RawSocket
from tests.stack import Stack

CREATE = {"type": "response.create", "model": "m", "input": "x"}


def refused(socket: RawSocket, message: object, status: int = 400) -> dict[str, Any]:
    """The error in the answer to a message, after which the connection still works."""
    socket.send(message)
    event = socket.next_event()
    ResponseWsError.model_validate(event, strict=True)
    assert event["status"] == status
    assert isinstance(event["error"]["code"], str)
    assert socket.ask(input="still there")["type"] == "response.completed"
    return event["error"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("nonsense", "invalid_json"),
        (b"\xff\xfe\x00", "invalid_json"),
        ('{"type": "response.create", "model": "m", "input": "\\ud800"}', "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ("[]", "invalid_type"),
        ("null", "invalid_type"),
        ("[DONE]", "invalid_json"),
    ],
)
def test_what_is_no_json_object_is_refused(stack: Stack, message: str | bytes, code: str) -> None:
    with RawSocket(stack.url()) as socket:
        assert refused(socket, message)["code"] == code


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({}, "type"),
        ({"type": None}, "type"),
        ({"type": "response.cancel"}, "type"),
        ({"type": ["response.create"]}, "type"),
        ({"type": "response.create", "input": "x"}, "model"),
        (CREATE | {"model": 5}, "model"),
        (CREATE | {"input": [{"type": "nonsense"}]}, "input[0].type"),
        (CREATE | {"stream": False}, "stream"),
        (CREATE | {"generate": "no"}, "generate"),
        (CREATE | {"previous_response_id": ["x"]}, "previous_response_id"),
        (CREATE | {"conversation": "conv_unknown"}, "conversation"),
        ({"type": "response.steer"}, "previous_response_id"),
        ({"type": "response.steer", "previous_response_id": "resp_1", "input": 5}, "input"),
    ],
)
def test_a_refusal_names_the_field(stack: Stack, message: dict[str, Any], param: str) -> None:
    with RawSocket(stack.url()) as socket:
        socket.send(message)
        event = socket.next_event()
        assert event["error"]["param"] == param
        assert socket.ask(input="still there")["type"] == "response.completed"


def test_json_may_come_as_bytes(stack: Stack) -> None:
    with RawSocket(stack.url()) as socket:
        socket.send(json.dumps(CREATE).encode())
        assert socket.turn()[-1]["type"] == "response.completed"


def test_a_message_over_the_limit_is_413(stack: Stack) -> None:
    with RawSocket(stack.url()) as socket:
        assert refused(socket, CREATE | {"input": "x" * MAX_BODY_BYTES}, 413)["code"] == "request_too_large"


def test_a_message_far_over_the_limit_closes_the_connection_and_says_why(stack: Stack) -> None:
    with RawSocket(stack.url()) as socket:
        with suppress(ConnectionClosed):
            socket.send("x" * (2 * MAX_BODY_BYTES + 1))
        assert list(socket.to_close()) == []
        code, reason = socket.closed
    assert code == 1009
    assert reason


def test_text_that_is_no_text_closes_the_connection_and_says_why(stack: Stack) -> None:
    with RawSocket(stack.url()) as socket:
        socket.connection.send(b"\xff\xfe", text=True)
        assert list(socket.to_close()) == []
        assert socket.closed[0] == 1007


@pytest.mark.parametrize("origin", [None, "https://app.example", "same"])
def test_a_page_of_an_allowed_origin_may_connect(stack: Stack, origin: str | None) -> None:
    own = stack.url().removesuffix("/v1")
    with RawSocket(stack.url(), {} if origin is None else {"origin": own if origin == "same" else origin}) as socket:
        assert socket.ask(input="hi")["type"] == "response.completed"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_site_may_not(stack: Stack, origin: str) -> None:
    """Q: a browser would let it, and send along whatever the user's machine may reach."""
    with pytest.raises(InvalidStatus) as caught:
        RawSocket(stack.url(), {"origin": origin})
    response = caught.value.response
    assert response.status_code == 403
    assert json.loads(response.body or b"")["error"].keys() == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"].startswith("req_")
