"""Items of a native Responses server: told under our ids, in the order every client relies on, whatever came."""

from collections.abc import Sequence
from typing import Any

import pytest
from core_examples import ENDED_AT, final, log_of, turn
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sdk_agreement import accumulated

from shared.core.chunks import Chunk, Finish, ItemBegun, ItemEnded, ItemEvent
from shared.core.replay import replay
from shared.core.response_fold import ResponseFold
from shared.core.turn import Outcome
from shared.core.turn_status import Status
from shared.wire.response import Event
from tests.stream_rules import check_stream

MESSAGE: dict[str, Any] = {"type": "message", "role": "assistant", "content": []}
LOGPROB = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
CITATION = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
CALL = {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": ""}
SEARCH = {"type": "web_search_call", "status": "in_progress", "action": {"type": "search", "query": "", "queries": []}}
FOUND = SEARCH | {"status": "completed", "action": {"type": "search", "query": "rain", "queries": ["rain"]}}
FAILED = Outcome(Status.FAILED, ENDED_AT, error={"code": "server_error", "message": "Away."})


def text(position: int, delta: str, **fields: Any) -> ItemEvent:
    return ItemEvent(position, "response.output_text.delta", {"delta": delta, "logprobs": [], **fields})


def part(kind: str, said: str, **fields: Any) -> dict[str, Any]:
    extra = {"annotations": [], "logprobs": []} if kind == "output_text" else {}
    return {"type": kind, "refusal" if kind == "refusal" else "text": said, **extra, **fields}


def kinds(log: Sequence[Event]) -> list[str]:
    """The types of the events between the lifecycle's and the terminal one."""
    return [event["type"].removeprefix("response.") for event in log[3:-1]]


def output(chunks: Sequence[Chunk], outcome: Outcome | None = None) -> list[dict[str, Any]]:
    """The output that these chunks make, less ids; what holds for every stream and its replay holds for theirs."""
    log = log_of(turn(), chunks, outcome)
    assert [event["sequence_number"] for event in log] == list(range(len(log)))
    assert ResponseFold.of(log).response() == final(log)
    assert ResponseFold.of(log[:-1]).output() == final(log)["output"]
    accumulated(log)
    replayed = replay(turn(), final(log))
    accumulated(replayed)
    assert ResponseFold.of(replayed[:-1]).output() == final(log)["output"]
    return [{key: value for key, value in item.items() if key != "id"} for item in final(log)["output"]]


def test_a_message_with_all_it_may_have() -> None:
    begun = MESSAGE | {"phase": "final_answer"}
    chunks: list[Chunk] = [
        ItemBegun(0, begun),
        ItemEvent(0, "response.content_part.added", {"content_index": 0, "part": part("output_text", "")}),
        text(0, "Hi", logprobs=[LOGPROB]),
        ItemEvent(0, "response.output_text.annotation.added", {"annotation": CITATION}),
        ItemEnded(0, begun | {"status": "completed", "content": [part("output_text", "Hi", annotations=[CITATION])]}),
        Finish("stop"),
    ]
    log = log_of(turn(), chunks)
    assert kinds(log) == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ]
    check_stream(log)
    told = part("output_text", "Hi", annotations=[CITATION], logprobs=[LOGPROB])
    assert output(chunks) == [begun | {"status": "completed", "content": [told]}]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([text(0, "Hi")], id="no content_part.added"),
        pytest.param([], id="no deltas"),
        pytest.param([text(0, ""), text(0, "Hi")], id="an empty delta"),
        pytest.param(
            [ItemEvent(0, "response.content_part.added", {"part": part("reasoning_text", "")}), text(0, "Hi")],
            id="a part of another kind",
        ),
    ],
)
def test_whatever_goes_around_the_text_it_is_told_once(said: list[Chunk]) -> None:
    chunks = [ItemBegun(0, MESSAGE), *said, ItemEnded(0, MESSAGE | {"content": [part("output_text", "Hi")]})]
    assert output(chunks) == [MESSAGE | {"status": "completed", "content": [part("output_text", "Hi")]}]
    check_stream(log_of(turn(), chunks))


def test_two_parts_stay_two() -> None:
    second = ItemEvent(0, "response.content_part.added", {"content_index": 1, "part": part("output_text", "")})
    chunks = [ItemBegun(0, MESSAGE), text(0, "a"), second, text(0, "b"), ItemEnded(0, MESSAGE)]
    (item,) = output(chunks)
    assert item["content"] == [part("output_text", "a"), part("output_text", "b")]


def test_two_messages_stay_two() -> None:
    chunks: list[Chunk] = []
    for position, phase in enumerate(("commentary", "final_answer")):
        message = MESSAGE | {"phase": phase}
        chunks += [ItemBegun(position, message), text(position, phase), ItemEnded(position, message)]
    assert [(item["phase"], item["content"][0]["text"]) for item in output(chunks)] == [
        ("commentary", "commentary"),
        ("final_answer", "final_answer"),
    ]


def test_reasoning_with_a_summary_and_its_seal() -> None:
    summary = [{"type": "summary_text", "text": "Hm."}]
    place = {"summary_index": 0}
    chunks: list[Chunk] = [
        ItemBegun(0, {"type": "reasoning", "summary": []}),
        ItemEvent(0, "response.reasoning_summary_part.added", {**place, "part": {"type": "summary_text", "text": ""}}),
        ItemEvent(0, "response.reasoning_summary_text.delta", {**place, "delta": "Hm."}),
        ItemEvent(0, "response.reasoning_summary_text.done", {**place, "text": "Hm."}),
        ItemEvent(0, "response.reasoning_summary_part.done", {**place, "part": summary[0]}),
        ItemEnded(0, {"type": "reasoning", "summary": summary, "encrypted_content": "sealed"}),
    ]
    (item,) = output(chunks)
    assert (item["summary"], item["encrypted_content"]) == (summary, "sealed")
    assert kinds(log_of(turn(), chunks))[1:-1] == [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]


def test_a_summary_that_was_cut_short_is_kept() -> None:
    place = {"summary_index": 0}
    chunks: list[Chunk] = [
        ItemBegun(0, {"type": "reasoning", "summary": []}),
        ItemEvent(0, "response.reasoning_summary_part.added", {**place, "part": {"type": "summary_text", "text": ""}}),
        ItemEvent(0, "response.reasoning_summary_text.delta", {**place, "delta": "Hm"}),
    ]
    (item,) = output(chunks, FAILED)
    assert item["summary"] == [{"type": "summary_text", "text": "Hm"}]


@pytest.mark.parametrize(
    "kind", ["function_call_arguments.delta", "reasoning_summary_text.delta", "reasoning_summary_part.added"]
)
def test_what_its_type_cannot_have_is_left_out(kind: str) -> None:
    stray = ItemEvent(0, f"response.{kind}", {"delta": "x", "summary_index": 0})
    assert kinds(log_of(turn(), [ItemBegun(0, MESSAGE), stray])) == ["output_item.added", "output_item.done"]


def test_fields_of_any_name_pass() -> None:
    event = ItemEvent(0, "response.web_search_call.searching", {"kind": "deep", "self": 1})
    (searching,) = [one for one in log_of(turn(), [ItemBegun(0, SEARCH), event]) if "kind" in one]
    assert searching["type"] == "response.web_search_call.searching"


def test_reasoning_text_and_a_refusal() -> None:
    chunks: list[Chunk] = [
        ItemBegun(0, {"type": "reasoning"}),
        ItemEvent(0, "response.reasoning_text.delta", {"delta": "Hm."}),
        ItemEnded(0, {"type": "reasoning", "summary": []}),
        ItemBegun(1, MESSAGE),
        ItemEvent(1, "response.refusal.delta", {"delta": "No."}),
        ItemEnded(1, MESSAGE),
    ]
    assert [item["content"] for item in output(chunks)] == [[part("reasoning_text", "Hm.")], [part("refusal", "No.")]]
    check_stream(log_of(turn(), chunks))


@pytest.mark.parametrize("pieces", [['{"a"', ":1}"], []], ids=["in deltas", "at the end only"])
def test_a_function_call(pieces: list[str]) -> None:
    deltas = [ItemEvent(0, "response.function_call_arguments.delta", {"delta": piece}) for piece in pieces]
    whole = CALL | {"arguments": '{"a":1}', "status": "completed"}
    chunks = [ItemBegun(0, CALL), *deltas, ItemEnded(0, whole)]
    assert output(chunks) == [whole]
    assert kinds(log_of(turn(), chunks))[-2:] == ["function_call_arguments.done", "output_item.done"]
    check_stream(log_of(turn(), chunks))


@pytest.mark.parametrize("pieces", [["rm ", "-r"], []], ids=["in deltas", "at the end only"])
def test_a_custom_tools_call(pieces: list[str]) -> None:
    call = {"type": "custom_tool_call", "call_id": "call_1", "name": "shell", "input": ""}
    deltas = [ItemEvent(0, "response.custom_tool_call_input.delta", {"delta": piece}) for piece in pieces]
    chunks = [ItemBegun(0, call), *deltas, ItemEnded(0, call | {"input": "rm -r"})]
    assert output(chunks) == [call | {"input": "rm -r", "status": "completed"}]
    assert kinds(log_of(turn(), chunks))[-2:] == ["custom_tool_call_input.done", "output_item.done"]


def test_interleaved_calls_stay_apart() -> None:
    chunks: list[Chunk] = [ItemBegun(at, CALL | {"call_id": f"call_{at}"}) for at in range(2)]
    chunks += [ItemEvent(at, "response.function_call_arguments.delta", {"delta": str(at)}) for at in (1, 0, 1)]
    assert [item["arguments"] for item in output(chunks)] == ["0", "11"]


def test_a_hosted_tools_item_passes_as_it_is_under_an_id_of_ours() -> None:
    steps = ["in_progress", "searching", "completed"]
    events = [ItemEvent(0, f"response.web_search_call.{step}", {}) for step in steps]
    chunks = [ItemBegun(0, SEARCH), *events, ItemEnded(0, FOUND)]
    assert output(chunks) == [FOUND]
    log = log_of(turn(), chunks)
    assert kinds(log) == ["output_item.added", *(f"web_search_call.{step}" for step in steps), "output_item.done"]
    own = final(log)["output"][0]["id"]
    assert {event["item_id"] for event in log if "item_id" in event} == {own}


def test_what_was_cut_short_is_kept() -> None:
    chunks: list[Chunk] = [ItemBegun(0, SEARCH), ItemEnded(0, FOUND), ItemBegun(1, MESSAGE), text(1, "Half")]
    found, message = output(chunks, FAILED)
    assert found == FOUND
    assert (message["status"], message["content"]) == ("incomplete", [part("output_text", "Half")])


def test_what_belongs_to_no_item_is_left_out() -> None:
    assert output([text(3, "Hi"), ItemEnded(2, MESSAGE)]) == []


def test_an_item_begun_in_the_place_of_another_ends_that() -> None:
    chunks = [ItemBegun(0, MESSAGE), text(0, "a"), ItemBegun(0, MESSAGE), text(0, "b"), ItemEnded(0, MESSAGE)]
    assert [item["content"][0]["text"] for item in output(chunks)] == ["a", "b"]


def ending(position: int, item: dict[str, Any], content: list[dict[str, Any]]) -> ItemEnded:
    return ItemEnded(position, item if item is CALL else item | {"content": content})


positions = st.integers(0, 2)
items = st.sampled_from([MESSAGE, {"type": "reasoning", "summary": []}, CALL])
ended = st.sampled_from([[], [part("output_text", "whole")], [part("refusal", "no"), part("output_text", "")]])
item_chunks: st.SearchStrategy[Chunk] = st.one_of(
    st.builds(ItemBegun, positions, items),
    st.builds(text, positions, st.sampled_from(["", "a", "bc"])),
    st.builds(
        ItemEvent,
        positions,
        st.sampled_from(["refusal.delta", "reasoning_text.delta", "function_call_arguments.delta"]).map(
            "response.".__add__
        ),
        st.just({"delta": "r"}),
    ),
    st.builds(
        ItemEvent,
        positions,
        st.sampled_from(["part.added", "text.delta"]).map("response.reasoning_summary_".__add__),
        st.just({"summary_index": 0, "part": {"type": "summary_text", "text": ""}, "delta": "s"}),
    ),
    st.builds(ItemEvent, positions, st.just("response.content_part.added"), st.just({})),
    st.builds(
        ItemEvent, positions, st.just("response.output_text.annotation.added"), st.just({"annotation": CITATION})
    ),
    st.builds(ending, positions, items, ended),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(item_chunks, max_size=14), st.sampled_from([None, FAILED]))
def test_any_order_of_chunks_makes_an_orderly_stream(chunks: list[Chunk], outcome: Outcome | None) -> None:
    """G13, G16: also one no server should send."""
    output(chunks, outcome)
    log = log_of(turn(), chunks, outcome)
    check_stream(log)


def test_a_summary_that_only_the_end_tells_is_told_as_events_too() -> None:
    """G13: what is done was added."""
    summary = [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}]
    begun = {"type": "reasoning", "summary": [], "content": []}
    log = log_of(turn(), [ItemBegun(0, begun), ItemEnded(0, begun | {"summary": summary}), Finish("stop")])
    check_stream(log)
    assert final(log)["output"][0]["summary"] == summary
