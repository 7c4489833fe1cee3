"""Input as callers write it, and the items that come of it (C5, G26, S9)."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import near, scalars, values

from shared.core.input_items import MAX_TURN_ITEMS, turn_items
from shared.core.prompt import messages
from shared.errors import InvalidRequest

law = settings(deadline=None, max_examples=100)

Items = list[dict[str, Any]]


def normalised(given_input: Any) -> Items:
    """With ids that are counted: `message_0`, …"""
    numbers = itertools.count()
    return turn_items(given_input, lambda kind: f"{kind}_{next(numbers)}")


def attempted(given_input: Any) -> Items | InvalidRequest:
    """The items, or the refusal; any other error is a defect."""
    try:
        return normalised(given_input)
    except InvalidRequest as refused:
        return refused


def user(text: str, item_id: str = "message_0") -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "id": item_id, "role": "user", "status": "completed", "content": content}


CALL = {"type": "function_call", "call_id": "call_a", "name": "look_up", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_a", "output": "sunny"}
REASONING = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]}

ACCEPTED: dict[str, tuple[Any, Items]] = {
    "nothing": (None, []),
    "a string is one message of the user": ("Hi", [user("Hi")]),
    "an easy message without type": ([{"role": "user", "content": "Hi"}], [user("Hi")]),
    "ids and status are kept": (
        [{"type": "message", "id": "msg_1", "status": "incomplete", "role": "user", "content": "Hi"}],
        [user("Hi", "msg_1") | {"status": "incomplete"}],
    ),
    "null means unset": ([{"role": "user", "content": "Hi", "id": None, "status": None, "type": None}], [user("Hi")]),
    "assistant history as a string": (
        [{"role": "assistant", "content": "Hello"}],
        [
            {
                "type": "message",
                "id": "message_0",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
            }
        ],
    ),
    "parts stay as they are": (
        [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        [user("Hi")],
    ),
    "tool items": (
        [CALL, OUTPUT],
        [
            CALL | {"id": "function_call_0", "status": "completed"},
            OUTPUT | {"id": "function_call_output_1", "status": "completed"},
        ],
    ),
    "reasoning": ([REASONING], [REASONING | {"id": "reasoning_0", "status": "completed"}]),
    "unknown fields are kept": (
        [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi", "extra": [1]}], "phase": "x"},
            CALL | {"content": [7], "namespace": "n"},
        ],
        [
            user("Hi") | {"content": [{"type": "input_text", "text": "Hi", "extra": [1]}], "phase": "x"},
            CALL | {"content": [7], "namespace": "n", "id": "function_call_1", "status": "completed"},
        ],
    ),
}


@pytest.mark.parametrize(("given_input", "items"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(given_input: Any, items: Items) -> None:
    assert normalised(given_input) == items


TEXT_PART = {"type": "input_text", "text": "a"}
MESSAGE = {"role": "user", "content": "a"}

REFUSED: dict[str, tuple[Items | list[Any], str, str]] = {
    "not an object": ([MESSAGE, 7], "input[1]", "invalid_type"),
    "null": ([None], "input[0]", "invalid_type"),
    "no type, role or id": ([{}], "input[0].type", "invalid_value"),
    "an unknown type": ([{"type": "poem"}], "input[0].type", "invalid_value"),
    "an empty type": ([MESSAGE | {"type": ""}], "input[0].type", "invalid_value"),
    "an empty list as type": ([MESSAGE | {"type": []}], "input[0].type", "invalid_value"),
    "a type that is no string": ([{"type": ["message"]}], "input[0].type", "invalid_value"),
    "an unknown role": ([{"role": "tool", "content": "a"}], "input[0].role", "invalid_value"),
    "no content": ([MESSAGE, {"role": "user"}], "input[1].content", "missing_required_parameter"),
    "content of a wrong type": ([{"role": "user", "content": 7}], "input[0].content", "invalid_type"),
    "a part that is no object": ([{"role": "user", "content": ["a"]}], "input[0].content[0]", "invalid_type"),
    "a part of unknown type": (
        [{"role": "user", "content": [TEXT_PART, {"type": "smell"}]}],
        "input[0].content[1].type",
        "invalid_value",
    ),
    "a part's text": (
        [MESSAGE, MESSAGE, MESSAGE, {"role": "user", "content": [{"type": "input_text", "text": 7}]}],
        "input[3].content[0].text",
        "invalid_type",
    ),
    "a part without text": (
        [{"role": "user", "content": [{"type": "input_text"}]}],
        "input[0].content[0].text",
        "missing_required_parameter",
    ),
    "a file by id": (
        [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}],
        "input[0].content[0].file_id",
        "unsupported_parameter",
    ),
    "an image by a file's id": (
        [OUTPUT | {"output": [{"type": "input_image", "file_id": "file_1", "detail": "auto"}]}],
        "input[0].output[0].file_id",
        "unsupported_parameter",
    ),
    "an image's URL": (
        [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]}],
        "input[0].content[0].image_url",
        "invalid_value",
    ),
    "a file by its URL": (
        [{"role": "user", "content": [TEXT_PART, {"type": "input_file", "file_url": "https://x/y"}]}],
        "input[0].content[1].file_url",
        "unsupported_parameter",
    ),
    "a file without content": (
        [{"role": "user", "content": [{"type": "input_file", "file_id": None}]}],
        "input[0].content[0].file_data",
        "missing_required_parameter",
    ),
    "audio": (
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
        "input[0].content[0].type",
        "unsupported_parameter",
    ),
    "an item of a hosted tool": ([MESSAGE, {"type": "web_search_call"}], "input[1].type", "unsupported_parameter"),
    "no call_id": (
        [{"type": "function_call_output", "output": "a"}],
        "input[0].call_id",
        "missing_required_parameter",
    ),
    "an empty call_id (R10)": ([OUTPUT | {"call_id": ""}], "input[0].call_id", "invalid_value"),
    "a long call_id": ([OUTPUT | {"call_id": "c" * 65}], "input[0].call_id", "invalid_value"),
    "a function name": ([CALL | {"name": "look up"}], "input[0].name", "invalid_value"),
    "arguments that are no string": ([CALL | {"arguments": {}}], "input[0].arguments", "invalid_type"),
    "an output's part": (
        [OUTPUT | {"output": [{"type": "input_image"}]}],
        "input[0].output[0].image_url",
        "missing_required_parameter",
    ),
    "a summary's part": (
        [REASONING | {"summary": [{"type": "summary_text"}]}],
        "input[0].summary[0].text",
        "missing_required_parameter",
    ),
    "a status": ([MESSAGE | {"status": "done"}], "input[0].status", "invalid_value"),
    "an id with a blank": ([MESSAGE | {"id": "a b"}], "input[0].id", "invalid_value"),
    "an id twice (C2)": ([MESSAGE | {"id": "msg_1"}, MESSAGE | {"id": "msg_1"}], "input[1].id", "duplicate_item_id"),
}


@pytest.mark.parametrize(("given_input", "param", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_by_the_exact_name_of_the_field(given_input: list[Any], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        normalised(given_input)
    assert (refused.value.param, refused.value.code) == (param, code)
    assert param in refused.value.message


def test_a_native_server_finds_a_file_by_its_url() -> None:
    """There is no Files API here all the same."""
    part = {"type": "input_file", "file_url": "https://files.example/a.pdf"}
    (message,) = turn_items([{"role": "user", "content": [part]}], lambda kind: kind, native=True)
    assert message["content"] == [part]
    for field, value in (("file_id", "file_1"), ("file_url", "file:///etc/passwd")):
        with pytest.raises(InvalidRequest) as refused:
            turn_items([{"role": "user", "content": [part | {field: value}]}], lambda kind: kind, native=True)
        assert refused.value.param == f"input[0].content[0].{field}"


def test_a_refusal_repeats_no_value() -> None:
    """I2: what a prompt says is not for error texts."""
    with pytest.raises(InvalidRequest) as refused:
        normalised([{"role": "user", "content": [{"type": "input_text", "text": {"canary": "canary"}}]}])
    assert "canary" not in repr(refused.value)


def test_the_number_of_items_is_bounded() -> None:
    """G26: and the limit itself is still accepted."""
    assert len(normalised([MESSAGE] * MAX_TURN_ITEMS)) == MAX_TURN_ITEMS
    with pytest.raises(InvalidRequest) as refused:
        normalised([MESSAGE] * (MAX_TURN_ITEMS + 1))
    assert refused.value.param == "input"


def test_the_callers_own_objects_are_not_touched() -> None:
    given_input = [{"role": "user", "content": "Hi"}]
    normalised(given_input)
    assert given_input == [{"role": "user", "content": "Hi"}]


part_texts = st.text(max_size=3)
parts = st.one_of(
    st.builds(
        lambda kind, rest: {"type": kind} | rest, st.sampled_from(["input_text", "output_text"]), near(text=part_texts)
    ),
    st.builds(lambda rest: {"type": "refusal"} | rest, near(refusal=part_texts)),
    st.builds(
        lambda rest: {"type": "input_image"} | rest,
        near(image_url=st.just("data:,") | part_texts, detail=st.just("low")),
    ),
    st.builds(lambda rest: {"type": "input_file"} | rest, near(file_data=part_texts, filename=part_texts)),
)
contents = part_texts | st.lists(parts, max_size=2)
common = near(
    id=st.sampled_from(["msg_1", "msg_2", None]),
    status=st.sampled_from(["completed", "incomplete"]),
    type=st.sampled_from(["message", "reasoning", "item_reference"]),
)
near_items = st.one_of(
    st.builds(lambda rest, content: {"role": "user", "content": content} | rest, common, contents),
    st.builds(
        lambda rest, role: {"role": role, "content": "Hi"} | rest, common, st.sampled_from(["assistant", "tool"])
    ),
    st.builds(lambda rest: rest | CALL, common),
    st.builds(lambda rest, output: rest | OUTPUT | {"output": output}, common, contents),
    st.builds(lambda rest, summary: rest | REASONING | {"summary": summary}, common, st.just([]) | values),
)


@law
@given(given_input=st.none() | st.text(max_size=3) | st.lists(values | near_items, max_size=3))
def test_any_json_is_taken_in_whole_or_refused(given_input: Any) -> None:
    """S9, C5: never another error; what is taken in has type, id and status, and keeps what the caller wrote."""
    items = attempted(given_input)
    if isinstance(items, InvalidRequest):
        assert items.param is not None
        assert items.param.startswith("input")
        return
    for item in items:
        kept = {"type", "id"} if item["type"] == "item_reference" else {"type", "id", "status"}
        assert kept <= item.keys()
        assert all(item[key] for key in kept)
    if isinstance(given_input, list):
        for raw, item in zip(given_input, items, strict=True):
            assert set(raw) <= set(item)
            assert all(item[key] == raw[key] for key in raw if raw[key] is not None and key != "content")


@law
@given(given_input=st.lists(near_items, max_size=2))
def test_what_is_taken_in_can_be_written_to_a_model(given_input: Items) -> None:
    items = attempted(given_input)
    if not isinstance(items, InvalidRequest):
        unasked = [item for item in items if item["type"] in ("message", "reasoning")]
        assert len(messages(None, unasked)) == sum(item["type"] == "message" for item in items)


@law
@given(item=near_items, extra=st.dictionaries(st.text(min_size=1, max_size=5).map("x_{}".format), scalars, max_size=2))
def test_unknown_fields_change_nothing_but_themselves(item: dict[str, Any], extra: dict[str, Any]) -> None:
    """C5: every item can be read back with the fields we do not know."""
    plain = attempted([item])
    if not isinstance(plain, InvalidRequest):
        assert normalised([item | extra]) == [plain[0] | extra]
