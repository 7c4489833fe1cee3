"""Messages over a WebSocket: what a client's are read as, and the shape of the server's."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseSteerFailedEvent
from openai.types.responses.responses_server_event import ResponseWsError
from pydantic import ValidationError

from api import websocket_messages as messages
from shared.core import sse_frame
from shared.errors import BodyTooLarge, ConversationLocked, InvalidRequest, NotFound, RateLimited, RequestError
from shared.wire.response import Event

MAX_BYTES = 1000
NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,256}", fullmatch=True)


def created(**fields: Any) -> messages.Message:
    return messages.parse(json.dumps({"type": "response.create", "model": "m"} | fields), MAX_BYTES)


def test_the_envelope_is_taken_off() -> None:
    message = created(input="hi", stream_id="a.b-c_1")
    assert (message.kind, message.stream_id) == ("response.create", "a.b-c_1")
    assert message.fields == {"model": "m", "input": "hi"}
    assert message.size == len(
        json.dumps({"type": "response.create", "model": "m", "input": "hi", "stream_id": "a.b-c_1"})
    )


def test_a_turn_over_a_websocket_is_streamed_and_generated_unless_told_otherwise() -> None:
    body, generate = messages.create(created(input="hi"))
    assert (body.stream, generate) == (True, True)
    assert messages.create(created(input="hi", generate=None))[1] is True
    assert messages.create(created(input="hi", generate=False))[1] is False
    assert messages.create(created(input="hi", stream=True))[0].stream is True


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"stream": False}, "stream"), ({"generate": 0}, "generate"), ({"generate": "no"}, "generate")],
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        messages.create(created(input="hi", **fields))
    assert caught.value.param == param


def test_a_message_has_a_largest_size() -> None:
    messages.parse(b'{"type":"response.create"}'.ljust(MAX_BYTES), MAX_BYTES)
    with pytest.raises(BodyTooLarge):
        messages.parse(b'{"type":"response.create"}'.ljust(MAX_BYTES + 1), MAX_BYTES)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_whatever_comes_is_read_or_refused(data: bytes | str) -> None:
    with suppress(RequestError, ValidationError):
        assert messages.parse(data, MAX_BYTES).kind in ("response.create", "response.steer")


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (InvalidRequest("No.", "input", "invalid_value"), 400, "invalid_value", None),
        (NotFound("None."), 404, "invalid_request_error", None),
        (RateLimited("Slow.", 3), 429, "rate_limit_exceeded", {"retry-after": "3"}),
        (ConversationLocked("Busy.", None, "locked"), 400, "locked", {"x-should-retry": "true"}),
        (ZeroDivisionError("secret"), 500, "server_error", None),
    ],
)
def test_an_error_is_told_as_over_http(
    error: Exception, status: int, code: str, headers: dict[str, str] | None
) -> None:
    event = json.loads(messages.failure(error, "lane"))
    ResponseWsError.model_validate(event, strict=True)
    assert (event["status"], event["error"]["code"], event["error"].get("headers")) == (status, code, headers)
    assert event["stream_id"] == "lane"
    assert "secret" not in json.dumps(event)


def test_an_error_outside_of_lanes_names_none() -> None:
    assert "stream_id" not in json.loads(messages.failure(InvalidRequest("No."), None))


def test_a_steer_gets_its_input_back() -> None:
    given_input = [{"type": "message", "role": "user", "content": "left"}]
    steer = {"type": "response.steer", "previous_response_id": "resp_1", "input": given_input}
    event = json.loads(messages.steering_refused(messages.parse(json.dumps(steer), MAX_BYTES)))
    ResponseSteerFailedEvent.model_validate(event, strict=True)
    assert event["steer"] == {"previous_response_id": "resp_1", "input": given_input}
    assert event["error"]["code"] == "steering_not_supported"


@given(st.text(), NAMES)
def test_events_are_those_of_the_stream_with_the_lane_added(text: str, lane: str) -> None:
    said: list[Event] = [
        {"type": "response.output_text.delta", "sequence_number": number, "delta": text} for number in range(3)
    ]
    frames = b"".join(sse_frame.encode(event) for event in said)
    assert [json.loads(one) for one in messages.events(frames, None)] == said
    assert [json.loads(one) for one in messages.events(frames, lane)] == [event | {"stream_id": lane} for event in said]
