"""What native Responses servers send, as chunks: also where they leave events out, repeat or invent some."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.chunks import Finish, ItemBegun, ItemEnded, ItemEvent, Usage
from shared.errors import UpstreamError
from shared.upstream.responses_events import ResponsesEvents
from tests.native_steps import USAGE

MESSAGE: dict[str, Any] = {"type": "message", "role": "assistant", "content": []}
TEXT = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
SAID = MESSAGE | {"status": "completed", "content": [TEXT]}
DONE = {"object": "response", "status": "completed", "output": [], "error": None, "usage": None}


def read(*events: Any) -> list[Any]:
    answer = ResponsesEvents()
    return [chunk for event in events for chunk in answer.read(event)]


def event(kind: str, at: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "sequence_number": 7, "item_id": "msg_1", "output_index": at, **fields}


ADDED = event("output_item.added", item=MESSAGE | {"id": "msg_1", "status": "in_progress"})
BEGUN = ItemBegun(0, MESSAGE | {"status": "in_progress"})


def delta(text: str, at: int = 0, **fields: Any) -> ItemEvent:
    return ItemEvent(at, "response.output_text.delta", {"delta": text, "logprobs": [], **fields})


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param({"type": "response.created", "response": {}}, [], id="lifecycle"),
        pytest.param({"type": "response.in_progress", "response": {}}, [], id="more of it"),
        pytest.param({"type": "response.unheard_of"}, [], id="an event of no item"),
        pytest.param({}, [], id="nothing"),
        pytest.param(event("web_search_call.searching"), [], id="an event of an item that never began"),
        pytest.param(ADDED, [BEGUN], id="an item"),
        pytest.param(
            event("output_text.delta", content_index=5, delta="Hi", obfuscation="xyz"),
            [ItemBegun(0, {"type": "message"}), delta("Hi")],
            id="text of a message that never began",
        ),
        pytest.param(
            event("reasoning.delta", delta="Hm"),
            [ItemBegun(0, {"type": "reasoning"}), ItemEvent(0, "response.reasoning_text.delta", {"delta": "Hm"})],
            id="reasoning by its other name",
        ),
        pytest.param(
            event("output_item.done", item=SAID | {"id": "msg_1"}),
            [ItemBegun(0, SAID), ItemEnded(0, SAID)],
            id="an item that only ended",
        ),
    ],
)
def test_one_event(sent: dict[str, Any], expected: list[Any]) -> None:
    assert read(sent) == expected


@pytest.mark.parametrize(
    "kind",
    [
        "content_part.done",
        "output_text.done",
        "refusal.done",
        "reasoning_text.done",
        "reasoning_part.added",
        "function_call_arguments.done",
        "custom_tool_call_input.done",
    ],
)
def test_what_is_said_again_later_is_left_out(kind: str) -> None:
    assert read(ADDED, event(kind)) == [BEGUN]


def test_events_of_hosted_tools_keep_their_fields_and_lose_their_place() -> None:
    search = {"type": "web_search_call", "status": "in_progress"}
    sent = [
        event("output_item.added", item=search | {"id": "ws_1"}),
        event("web_search_call.searching"),
        event("web_search_call.new", round=1),
    ]
    assert read(*sent) == [
        ItemBegun(0, search),
        ItemEvent(0, "response.web_search_call.searching", {}),
        ItemEvent(0, "response.web_search_call.new", {"round": 1}),
    ]


@pytest.mark.parametrize(
    ("response", "finish"),
    [
        ({"status": "completed"}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": None}, "length"),
    ],
)
def test_how_it_ended(response: dict[str, Any], finish: Any) -> None:
    answer = ResponsesEvents()
    kind = f"response.{response['status']}"
    assert answer.read({"type": kind, "response": DONE | response}) == [Finish(finish)]
    assert (answer.finished, answer.complete) == (True, True)


def test_usage_comes_with_the_end() -> None:
    assert read({"type": "response.completed", "response": DONE | {"usage": USAGE}}) == [
        Usage(5, 7, 3, 2),
        Finish("stop"),
    ]


@pytest.mark.parametrize("before", [[], [ADDED], [ADDED, event("output_text.delta", delta="H")]], ids=len)
def test_what_was_not_told_is_read_from_the_end(before: list[Any]) -> None:
    end = {"type": "response.completed", "response": DONE | {"output": [SAID | {"id": "msg_1"}]}}
    chunks = read(*before, end)
    assert isinstance(chunks[0], ItemBegun)
    assert chunks[-2:] == [ItemEnded(0, SAID), Finish("stop")]


def test_what_was_told_is_not_told_again() -> None:
    told = event("output_item.done", item=SAID)
    end = {"type": "response.completed", "response": DONE | {"output": [SAID]}}
    assert read(ADDED, told, end) == [BEGUN, ItemEnded(0, SAID), Finish("stop")]


def test_a_server_that_does_not_stream() -> None:
    assert read(DONE | {"output": [SAID]}) == [ItemBegun(0, SAID), ItemEnded(0, SAID), Finish("stop")]


@pytest.mark.parametrize("kind", ["response.x\n\ndata: {}", "response.created", "web_search_call.searching", "x"])
def test_no_event_passes_under_a_name_that_is_ours_or_no_name(kind: str) -> None:
    """It would be a line of the stream."""
    assert read(ADDED, {"type": kind, "output_index": 0}) == [BEGUN]


def test_no_error_passes_at_the_top_of_an_event() -> None:
    """SDKs would raise."""
    assert read(ADDED, event("mcp_call.failed", error={"message": "no"}))[1:] == [
        ItemEvent(0, "response.mcp_call.failed", {})
    ]


def test_text_is_kept_free_of_nul() -> None:
    chunks = read(ADDED, event("output_text.delta", delta="a\0"), event("new", note={"of\0": ["\0"]}))
    assert chunks[1:] == [delta("a\ufffd"), ItemEvent(0, "response.new", {"note": {"of\ufffd": ["\ufffd"]}})]


def test_an_item_is_given_what_its_type_cannot_do_without() -> None:
    reasoning = {"type": "reasoning", "content": None, "encrypted_content": None}
    (begun,) = read(event("output_item.added", item=reasoning))
    assert begun.item == {"type": "reasoning", "content": [], "summary": []}


@pytest.mark.parametrize(
    "item",
    [
        None,
        [],
        {},
        {"type": 5},
        {"type": "Message!"},
        {"type": "function_call", "call_id": "c"},
        {"type": "function_call", "name": "f"},
        {"type": "message", "content": ["Hi"]},
        {"type": "message", "content": [{"type": "output_text", "text": 5}]},
    ],
)
def test_items_that_are_none(item: Any) -> None:
    with pytest.raises(UpstreamError):
        read(event("output_item.added", item=item))


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ({"code": "server_error", "message": "s3cret"}, "server_error", True),
        ({"code": "rate_limit_exceeded", "message": "s3cret"}, "rate_limit_exceeded", True),
        ({"code": "invalid_image_url", "message": "s3cret"}, "invalid_image_url", False),
        ({"code": "s3cret", "message": "s3cret"}, "server_error", False),
        ({"code": "context_length_exceeded", "message": "s3cret"}, "invalid_prompt", False),
        (None, "server_error", False),
    ],
)
@pytest.mark.parametrize("form", ["failed", "error", "nested"])
def test_failures_are_told_by_kind_and_repeat_nothing(form: str, error: Any, code: str, retryable: bool) -> None:
    """Q7, I2."""
    sent = {
        "failed": {"type": "response.failed", "response": DONE | {"status": "failed", "error": error}},
        "error": {"type": "error", "sequence_number": 3, **(error or {})},
        "nested": {"type": "error", "error": error},
    }[form]
    with pytest.raises(UpstreamError) as raised:
        read(sent)
    assert (raised.value.code, raised.value.retryable) == (code, retryable)
    assert "s3cret" not in str(raised.value)


def test_a_response_that_has_not_ended_did_not_finish() -> None:
    with pytest.raises(UpstreamError, match="broke off"):
        read({"type": "response.completed", "response": DONE | {"status": "in_progress"}})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
part = anything | st.fixed_dictionaries(
    {"type": st.sampled_from(["output_text", "refusal", "reasoning_text", "summary_text"])},
    optional={"text": anything, "refusal": anything, "annotations": anything, "logprobs": anything},
)
item = anything | st.fixed_dictionaries(
    {"type": anything | st.sampled_from(["message", "reasoning", "function_call", "web_search_call"])},
    optional={"content": anything | st.lists(part), "name": anything, "call_id": anything, "status": anything},
)
response = anything | st.fixed_dictionaries(
    {"status": anything | st.sampled_from(["completed", "incomplete", "failed"])},
    optional={"output": anything | st.lists(item), "usage": anything, "error": anything},
)
kinds = st.sampled_from(
    [
        "output_item.added",
        "output_item.done",
        "output_text.delta",
        "output_text.annotation.added",
        "reasoning_summary_text.delta",
        "completed",
        "failed",
    ]
).map("response.".__add__)
events = anything | st.fixed_dictionaries(
    {"type": anything | kinds},
    optional={"output_index": st.integers(0, 2), "item": item, "delta": anything, "response": response},
)


@given(st.lists(events, max_size=4))
def test_arbitrary_json_gives_chunks_or_an_upstream_error(sent: list[Any]) -> None:
    """Q7: no server can make the worker trip."""
    chunks: list[Any] = []
    with suppress(UpstreamError):
        chunks = read(*sent)
    assert all(isinstance(chunk, ItemBegun | ItemEvent | ItemEnded | Usage | Finish) for chunk in chunks)
