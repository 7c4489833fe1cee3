"""Stored items as a Chat Completions request (R7, R10)."""

from collections import Counter
from typing import Any

import pytest
from core_examples import ENDED_AT, final, log_of, turn
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.chunks import Text, ToolCall
from shared.core.prompt import chat_request, match_calls, messages
from shared.core.turn import Outcome
from shared.core.turn_status import Status
from shared.errors import InvalidRequest

law = settings(deadline=None, max_examples=150)

Items = list[dict[str, Any]]


def message(role: str, *texts: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text} for text in texts]
    return {"type": "message", "id": f"msg_{texts}", "role": role, "status": "completed", "content": content}


def call(call_id: str, arguments: str = "{}", status: str = "completed", name: str = "look_up") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, "status": status}


def output(call_id: str, value: str | Items = "ok") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": value, "status": "completed"}


def reasoning(text: str = "hm") -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


def asked(*calls: tuple[str, str], content: str | None = None) -> dict[str, Any]:
    tool_calls = [
        {"id": call_id, "type": "function", "function": {"name": "look_up", "arguments": arguments}}
        for call_id, arguments in calls
    ]
    return {"role": "assistant", "content": content, "tool_calls": tool_calls}


def told(call_id: str, content: Any = "ok") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


USER = {"role": "user", "content": "Hi"}

WRITTEN: dict[str, tuple[Items, Items]] = {
    "nothing": ([], []),
    "a message of each role": (
        [message("system", "a"), message("developer", "b"), message("user", "c"), message("assistant", "d")],
        [
            {"role": "system", "content": "a"},
            {"role": "system", "content": "b"},
            {"role": "user", "content": "c"},
            {"role": "assistant", "content": "d"},
        ],
    ),
    "parts of text are joined": ([message("user", "a", "b")], [{"role": "user", "content": "ab"}]),
    "a refusal is what the assistant said": (
        [message("assistant") | {"content": [{"type": "refusal", "refusal": "No."}]}],
        [{"role": "assistant", "content": "No."}],
    ),
    "reasoning has no place in history": ([reasoning(), message("user", "Hi")], [USER]),
    "a call and its output": (
        [message("user", "Hi"), call("a", "{1}"), output("a", "sunny")],
        [USER, asked(("a", "{1}")), told("a", "sunny")],
    ),
    "parallel calls, outputs out of order (R10)": (
        [call("a"), call("b"), output("b", "B"), output("a", "A")],
        [asked(("a", "{}"), ("b", "{}")), told("a", "A"), told("b", "B")],
    ),
    "an output before its call (R10)": ([output("a"), call("a")], [asked(("a", "{}")), told("a")]),
    "calls join the message that was said with them": (
        [message("assistant", "Let me look."), call("a"), output("a")],
        [asked(("a", "{}"), content="Let me look."), told("a")],
    ),
    "calls with reasoning between them are parallel still": (
        [call("a"), reasoning(), call("b"), output("a"), output("b")],
        [asked(("a", "{}"), ("b", "{}")), told("a"), told("b")],
    ),
    "calls made one after the other stay so": (
        [message("assistant", "One."), call("a"), output("a"), call("b"), output("b")],
        [asked(("a", "{}"), content="One."), told("a"), asked(("b", "{}")), told("b")],
    ),
    "text said after a call follows its output": (
        [call("a"), message("assistant", "Asked."), output("a"), message("user", "Hi")],
        [asked(("a", "{}")), told("a"), {"role": "assistant", "content": "Asked."}, USER],
    ),
    "a call_id used again in a later turn": (
        [call("a", "1"), output("a", "one"), message("user", "Hi"), call("a", "2"), output("a", "two")],
        [asked(("a", "1")), told("a", "one"), USER, asked(("a", "2")), told("a", "two")],
    ),
    "a call cut short is dropped": ([call("a", '{"q', "incomplete"), message("user", "Hi")], [USER]),
    "a call cut short but answered is kept": (
        [call("a", "{}", "incomplete"), output("a")],
        [asked(("a", "{}")), told("a")],
    ),
    "an output of text parts": (
        [call("a"), output("a", [{"type": "input_text", "text": "x"}, {"type": "input_text", "text": "y"}])],
        [asked(("a", "{}")), told("a", "xy")],
    ),
    "images and files": (
        [
            message("user")
            | {
                "content": [
                    {"type": "input_text", "text": "See"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                    {"type": "input_image", "image_url": "https://example.org/a.png"},
                    {"type": "input_file", "file_data": "data:text/plain;base64,AA", "filename": "a.txt"},
                ]
            }
        ],
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                    {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,AA"}},
                ],
            }
        ],
    ),
}


@pytest.mark.parametrize(("items", "written"), WRITTEN.values(), ids=WRITTEN.keys())
def test_items_as_messages(items: Items, written: Items) -> None:
    assert messages(None, items) == written


def test_instructions_come_first() -> None:
    """R7: before all history, as the system's word."""
    history = [message("system", "old"), message("user", "Hi")]
    assert messages("Be brief.", history)[0] == {"role": "system", "content": "Be brief."}
    assert messages("Be brief.", history)[1:] == messages(None, history)
    assert messages("", history) == messages(None, history)


@pytest.mark.parametrize(
    ("items", "complaint"),
    [
        ([output("a")], "No tool call found for function call output with call_id a."),
        ([call("b"), output("b"), output("a")], "No tool call found for function call output with call_id a."),
        ([call("a"), output("a"), output("a")], "No tool call found for function call output with call_id a."),
        ([call("a")], "No tool output found for function call a."),
        ([call("a"), call("b"), output("b")], "No tool output found for function call a."),
        ([call("a"), output("a"), call("a")], "No tool output found for function call a."),
    ],
)
def test_calls_and_outputs_must_match(items: Items, complaint: str) -> None:
    """R10: an output without its call is a 400; so is a call that nobody answered."""
    with pytest.raises(InvalidRequest) as refused:
        match_calls(items)
    assert (refused.value.message, refused.value.param) == (complaint, "input")


def test_the_call_of_a_broken_off_turn_does_not_block_the_next() -> None:
    """R11: what a cancelled turn left behind can be followed up."""
    said = [Text("Let me look."), ToolCall(0, "call_a", "look_up", '{"q')]
    left = final(log_of(turn(), said, Outcome(Status.CANCELLED, ENDED_AT)))["output"]
    assert messages(None, [*left, message("user", "Hi")]) == [{"role": "assistant", "content": "Let me look."}, USER]


call_ids = st.sampled_from(["a", "b", "c"])
shapes = st.lists(
    st.one_of(
        st.tuples(st.just("message"), st.sampled_from(["user", "assistant", "developer"])),
        st.tuples(st.just("call"), call_ids, st.sampled_from(["completed", "incomplete"])),
        st.tuples(st.just("output"), call_ids),
        st.tuples(st.just("reasoning")),
    ),
    max_size=10,
)


def numbered(shape: list[tuple[str, ...]]) -> Items:
    """Items that each say their own number."""
    items: Items = []
    for number, (kind, *rest) in enumerate(shape):
        said = f"<{number}>"
        match kind:
            case "message":
                items.append(message(rest[0], said))
            case "call":
                items.append(call(rest[0], said, rest[1]))
            case "output":
                items.append(output(rest[0], said))
            case _:
                items.append(reasoning(said))
    return items


def matched(items: Items) -> bool:
    """Whether each output has a call, and each call that was not cut short an output."""
    outputs = Counter(item["call_id"] for item in items if item["type"] == "function_call_output")
    calls: dict[str, list[str]] = {call_id: [] for call_id in outputs}
    for item in items:
        if item["type"] == "function_call":
            calls.setdefault(item["call_id"], []).append(item["status"])
    return all(
        len(statuses) >= outputs[call_id] and "completed" not in statuses[outputs[call_id] :]
        for call_id, statuses in calls.items()
    )


@law
@given(shape=shapes)
def test_any_items_make_messages_or_a_plain_refusal(shape: list[tuple[str, ...]]) -> None:
    """R10: and it is refused exactly when a call or an output stands alone."""
    items = numbered(shape)
    try:
        messages(None, items)
    except InvalidRequest:
        assert not matched(items)
    else:
        assert matched(items)


@law
@given(shape=shapes)
def test_what_was_said_reaches_the_model_once(shape: list[tuple[str, ...]]) -> None:
    """R9, R10: tool items included; only reasoning and calls cut short stay behind."""
    items = numbered(shape)
    if not matched(items):
        return
    answered = match_calls(items)
    written = messages(None, items)
    for number, item in enumerate(items):
        left_out = item["type"] == "reasoning" or (item["type"] == "function_call" and number not in answered)
        assert repr(written).count(f"<{number}>") == (0 if left_out else 1)
    texts = [m["content"] for m in written if m["role"] != "tool" and m["content"]]
    assert texts == [item["content"][0]["text"] for item in items if item["type"] == "message"]


@law
@given(shape=shapes)
def test_outputs_stand_right_after_the_message_that_holds_their_calls(shape: list[tuple[str, ...]]) -> None:
    """Model servers refuse a tool message anywhere else."""
    items = numbered(shape)
    if not matched(items):
        return
    waiting: list[str] = []
    for one in messages(None, items):
        if one["role"] == "tool":
            assert one["tool_call_id"] == waiting.pop(0)
        else:
            assert waiting == []
            waiting = [made["id"] for made in one.get("tool_calls", ())]
    assert waiting == []


TOOL = {"type": "function", "name": "look_up", "description": "Looks up.", "parameters": {"type": "object"}}
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "look_up", "description": "Looks up.", "parameters": {"type": "object"}},
}
OTHER = {"type": "function", "name": "weigh", "description": None, "parameters": None, "strict": True}
CHAT_OTHER = {"type": "function", "function": {"name": "weigh", "strict": True}}
SCHEMA = {"type": "object", "properties": {"a": {"default": None}}}

FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing asked, nothing sent": ({}, {}),
    "sampling": ({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}),
    "max_output_tokens": ({"max_output_tokens": 16}, {"max_tokens": 16}),
    "user": ({"user": "someone"}, {"user": "someone"}),
    "whom the model server's safety and cache go by": (
        {"safety_identifier": "s", "prompt_cache_key": "p"},
        {"safety_identifier": "s", "prompt_cache_key": "p"},
    ),
    "what only we need": ({"metadata": {"a": "b"}, "background": True, "stream": True, "store": False}, {}),
    "tools": ({"tools": [TOOL, OTHER]}, {"tools": [CHAT_TOOL, CHAT_OTHER], "tool_choice": "auto"}),
    "tool_choice as a word": (
        {"tools": [TOOL], "tool_choice": "required"},
        {"tools": [CHAT_TOOL], "tool_choice": "required"},
    ),
    "tool_choice of one function": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "look_up"}},
        {"tools": [CHAT_TOOL], "tool_choice": {"type": "function", "function": {"name": "look_up"}}},
    ),
    "allowed_tools": (
        {
            "tools": [TOOL, OTHER],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "weigh"}],
            },
        },
        {"tools": [CHAT_OTHER], "tool_choice": "required"},
    ),
    "parallel_tool_calls": (
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"tools": [CHAT_TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
    ),
    "tool fields without tools are not sent": ({"tool_choice": "auto", "parallel_tool_calls": True}, {}),
    "text.format text": ({"text": {"format": {"type": "text"}}}, {}),
    "text.format json_object": (
        {"text": {"format": {"type": "json_object"}}},
        {"response_format": {"type": "json_object"}},
    ),
    "text.format json_schema": (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True, "odd": 1}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
            }
        },
    ),
    "text.verbosity": ({"text": {"verbosity": "low"}}, {"verbosity": "low"}),
    "reasoning.effort": ({"reasoning": {"effort": "high", "summary": "auto"}}, {"reasoning_effort": "high"}),
    "logprobs": (
        {"include": ["message.output_text.logprobs"], "top_logprobs": 3},
        {"logprobs": True, "top_logprobs": 3},
    ),
    "logprobs without alternatives": (
        {"include": ["message.output_text.logprobs"]},
        {"logprobs": True, "top_logprobs": 0},
    ),
}


@pytest.mark.parametrize(("request_fields", "chat_fields"), FIELDS.values(), ids=FIELDS.keys())
def test_request_fields_in_the_dialect_of_chat(request_fields: dict[str, Any], chat_fields: dict[str, Any]) -> None:
    body = chat_request({"model": "stub"} | request_fields, [message("user", "Hi")])
    assert body == {"model": "stub", "messages": [USER]} | chat_fields


def test_model_and_instructions_are_forwarded() -> None:
    """R7: the model asked for is the model called."""
    body = chat_request({"model": "vendor/model-1", "instructions": "Be brief."}, [message("user", "Hi")])
    assert body == {"model": "vendor/model-1", "messages": [{"role": "system", "content": "Be brief."}, USER]}
