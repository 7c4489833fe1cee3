"""What a model server cannot be told is refused by its name: never left out in silence, never a crash (C5, R10)."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from json_values import near, scalars, values

from shared.core.input_items import conversation_items
from shared.core.prompt import SENDABLE, messages, refuse_unsendable
from shared.errors import InvalidRequest
from shared.wire.items import CONVERSATION_ITEMS

law = settings(deadline=None, max_examples=200)

CALL = {"type": "custom_tool_call", "call_id": "c1", "name": "shell", "input": 'say "hi"\n', "status": "completed"}
OUTPUT = {"type": "custom_tool_call_output", "call_id": "c1", "output": "hi", "status": "completed"}


def message(*parts: Any, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": role, "content": list(parts), "status": "completed"}


def refusal(*items: Any) -> str:
    with pytest.raises(InvalidRequest) as refused:
        messages(None, items)
    assert refused.value.param == "input"
    return refused.value.message


def test_a_custom_tool_call_is_told_as_a_call_with_one_argument() -> None:
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:x"}]
    function = {"name": "shell", "arguments": '{"input":"say \\"hi\\"\\n"}'}
    asked = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }
    assert messages(None, [CALL, OUTPUT]) == [asked, {"role": "tool", "tool_call_id": "c1", "content": "hi"}]
    assert messages(None, [CALL, OUTPUT | {"output": parts}])[1]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:x"}},
    ]


def test_a_custom_tool_call_needs_its_output() -> None:
    """R10."""
    assert refusal(CALL) == "No tool output found for function call c1."
    assert refusal(OUTPUT) == "No tool call found for function call output with call_id c1."


def test_an_output_of_no_call_is_refused() -> None:
    """R10: a conversation may hold one."""
    (output,) = conversation_items([{"type": "function_call_output", "output": "x"}], lambda kind: kind)
    assert "No tool call found" in refusal(output)
    assert "No tool call found" in refusal(CALL | {"call_id": "None"}, output)


@pytest.mark.parametrize("kind", sorted(set(CONVERSATION_ITEMS) - SENDABLE))
def test_items_of_other_types_are_refused_by_their_type(kind: str) -> None:
    """A reference among them points at nothing."""
    assert f"'{kind}'" in refusal(message({"type": "text", "text": "a"}), {"type": kind, "id": "x"})


def test_the_first_of_several_is_named_whatever_their_order() -> None:
    with pytest.raises(InvalidRequest, match="computer_call"):
        refuse_unsendable(["web_search_call", "message", "computer_call"])


PARTS: dict[str, tuple[Any, str]] = {
    "of an unknown type": ({"type": "computer_screenshot", "image_url": "u"}, "'computer_screenshot'"),
    "an image by a file's id": ({"type": "input_image", "file_id": "file_1", "detail": "auto"}, "'input_image'"),
    "an image without any": ({"type": "input_image", "image_url": None}, "'input_image'"),
    "a file by its id": ({"type": "input_file", "file_id": "file_1"}, "'input_file'"),
    "a file by its URL": ({"type": "input_file", "file_url": "https://x/y"}, "'input_file'"),
    "a text without text": ({"type": "input_text"}, "'input_text'"),
    "a text that is a number": ({"type": "output_text", "text": 7}, "'output_text'"),
    "a refusal without words": ({"type": "refusal", "refusal": None}, "'refusal'"),
    "without a type": ({"text": "a"}, "without a type"),
    "no object": (7, "without a type"),
}


@pytest.mark.parametrize(("part", "named"), PARTS.values(), ids=PARTS.keys())
def test_parts_that_cannot_be_told_are_refused_by_their_type(part: Any, named: str) -> None:
    """A conversation keeps them all; in a tool's output as in a message."""
    assert named in refusal(message({"type": "input_text", "text": "a"}, part))
    assert named in refusal(CALL, OUTPUT | {"output": [part]})


@pytest.mark.parametrize("role", ["tool", "critic", "discriminator", "unknown"])
def test_messages_of_other_roles_are_refused_by_their_role(role: str) -> None:
    assert f"'{role}'" in refusal(message({"type": "text", "text": "a"}, role=role))


near_parts = near(
    type=st.sampled_from(["input_text", "output_text", "text", "refusal", "input_image", "input_file", "x"]),
    text=st.text(max_size=3),
    refusal=st.text(max_size=3),
    image_url=st.text(max_size=3),
    file_data=st.text(max_size=3),
    detail=scalars,
    filename=scalars,
)


@law
@given(parts=st.lists(near_parts | values, max_size=3))
@example(parts=[{"type": "input_image", "image_url": "", "detail": [None]}])
def test_any_parts_are_told_or_refused(parts: list[Any]) -> None:
    """S9: whatever a conversation holds, a turn never ends in a crash."""
    for items in ([message(*parts)], [CALL, OUTPUT | {"output": parts}]):
        try:
            written = messages(None, items)
        except InvalidRequest:
            continue
        assert len(written) == len(items)
