"""What the tests hold every answer against notices what a client of the official SDK would stumble over."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.core.response_render import render
from shared.core.turn_status import Status
from tests.stored_turns import body_of, called, new_turn, said
from tests.wire_types import body_faults, event_faults, message_faults

DELTA = {
    "type": "response.output_text.delta",
    "item_id": "msg_1",
    "output_index": 0,
    "content_index": 0,
    "delta": "Hello",
    "logprobs": [],
    "sequence_number": 4,
}
ERROR = {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}
EMPTY_PAGE = {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}


def completed() -> dict[str, Any]:
    """A Response with a message and a call."""
    message, call = said("Hello", "assistant"), called("call_1")
    message["content"][0] |= {"annotations": [], "logprobs": []}
    return body_of(new_turn(), [message | {"status": "completed"}, call | {"status": "completed"}])


def test_what_is_right_has_no_faults() -> None:
    assert body_faults("GET", "/responses/resp_1", 200, completed()) == []
    assert body_faults("POST", "/responses", 200, render(new_turn(), Status.QUEUED)) == []
    assert body_faults("GET", "/conversations/conv_1/items", 200, EMPTY_PAGE) == []
    assert body_faults("GET", "/responses/resp_1", 404, {"error": ERROR}) == []
    assert event_faults(DELTA) == []
    end = {"type": "response.completed", "sequence_number": 9, "response": completed()}
    assert event_faults(end) == []
    assert message_faults(end | {"stream_id": "lane"}) == []
    assert message_faults({"type": "error", "status": 400, "error": ERROR}) == []


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a field that is missing": (lambda body: body.pop("parallel_tool_calls"), "parallel_tool_calls: Field required"),
    "one that the SDK would do without": (lambda body: body.pop("error"), "error: missing"),
    "one that nobody knows": (lambda body: body.update(extra=1), "extra: no such field"),
    "one deep inside that nobody knows": (
        lambda body: body["output"][0]["content"][0].update(extra=1),
        "output.0.content.0.extra: no such field",
    ),
    "a wrong type": (
        lambda body: body.update(max_output_tokens="16"),
        "max_output_tokens: Input should be a valid int",
    ),
    "a value of no enumeration": (lambda body: body.update(status="done"), "status: Input should be 'completed'"),
    "an item of no kind": (lambda body: body["output"][0].update(type="massage"), "type: Input should be 'message'"),
}


@pytest.mark.parametrize(("spoil", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_response_is_noticed_alone_in_a_page_and_in_an_event(
    spoil: Callable[[dict[str, Any]], object], told: str
) -> None:
    body = completed()
    spoil(body)
    page = EMPTY_PAGE | {"data": [body], "first_id": body["id"], "last_id": body["id"]}
    for faults in (
        body_faults("POST", "/responses", 200, body),
        body_faults("GET", "/responses", 200, page),
        event_faults({"type": "response.completed", "sequence_number": 9, "response": body}),
    ):
        assert any(told in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (DELTA | {"type": "response.output_text.detla"}, "no such event"),
        ({"sequence_number": 1}, "no such event"),
        (DELTA | {"sequence_number": "4"}, "sequence_number: Input should be a valid integer"),
        (DELTA | {"delta": None}, "delta: Input should be a valid string"),
        (DELTA | {"extra": 1}, "extra: no such field"),
        ({name: value for name, value in DELTA.items() if name != "item_id"}, "item_id: Field required"),
    ],
)
def test_a_wrong_event_is_noticed_in_a_stream_and_over_a_websocket(event: dict[str, Any], told: str) -> None:
    (fault,) = event_faults(event)
    assert told in fault
    assert message_faults(event) == [fault]


def test_an_error_without_its_envelope_and_an_answer_of_an_unknown_route_are_noticed() -> None:
    assert body_faults("POST", "/responses", 400, ERROR) != []
    assert body_faults("POST", "/responses", 400, {"error": {"message": "No.", "type": "x", "param": None}}) != []
    assert body_faults("GET", "/nowhere", 200, {}) == ["GET /nowhere: no known answer"]
