"""Every item of the newest SDK can be stored in a conversation and read back unchanged (C5, C6)."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import values
from openai.types.conversations import ConversationItem
from openai.types.responses import ResponseItem, ResponseOutputItem
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from sdk_examples import examples, members, type_name

from shared import ids
from shared.core.input_items import conversation_items
from shared.core.prompt import SENDABLE, refuse_unsendable
from shared.errors import InvalidRequest
from shared.wire.items import CONVERSATION_ITEMS, TURN_ITEMS

law = settings(deadline=None, max_examples=100)

UNIONS = [ResponseInputItemParam, ConversationItem, ResponseItem, ResponseOutputItem]
MEMBERS = sorted({member for union in UNIONS for member in members(union)}, key=lambda one: (type_name(one), str(one)))
TYPES = sorted({type_name(member) for member in MEMBERS})


def stored(*items: Any) -> list[dict[str, Any]]:
    """The items as a conversation keeps them, new ids counted."""
    numbers = itertools.count()
    return conversation_items(list(items), lambda kind: f"{kind}_{next(numbers)}")


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_the_sdk_is_known_and_has_an_id_prefix(kind: str) -> None:
    assert kind in CONVERSATION_ITEMS
    assert re.fullmatch(re.escape(ids.ITEM_PREFIXES[kind]) + "[0-9a-f]{48}", ids.new_item_id(kind))


def test_every_type_has_a_prefix_of_its_own() -> None:
    assert set(CONVERSATION_ITEMS) == set(ids.ITEM_PREFIXES)
    assert len(set(ids.ITEM_PREFIXES.values())) == len(ids.ITEM_PREFIXES)


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: f"{type_name(member)}-{member.__name__}")
@pytest.mark.parametrize("whole", [False, True], ids=["required", "whole"])
def test_every_example_of_the_sdk_is_kept_as_it_is(member: type, whole: bool) -> None:
    """With an id and a status, where it came without; a string as content is short for one text part."""
    for example in examples(member, whole=whole):
        given_item = example | {"type": type_name(member)}
        (kept,) = stored(given_item)
        expected = {**given_item, "id": given_item.get("id") or kept["id"]}
        if given_item["type"] != "item_reference":
            expected["status"] = given_item.get("status") or "completed"
        if isinstance(given_item.get("content"), str):
            expected["content"] = kept["content"]
            assert kept["content"][0]["text"] == given_item["content"]
        assert kept == expected


@law
@given(kind=st.sampled_from(sorted(set(TYPES) - set(TURN_ITEMS))), extra=st.dictionaries(st.text(max_size=8), values))
def test_unknown_fields_are_kept_whatever_they_hold(kind: str, extra: dict[str, Any]) -> None:
    """C5: nested to any depth, in their order."""
    known = {"type": kind, "id": "item_1", "status": "completed"}
    given_item = extra | known
    (kept,) = stored(given_item)
    assert kept == given_item
    assert list(kept) == list(given_item)


@law
@given(
    role=st.sampled_from(["unknown", "user", "assistant", "system", "critic", "discriminator", "developer", "tool"]),
    parts=st.lists(st.dictionaries(st.text(max_size=5), values, max_size=3), max_size=3),
    extra=st.dictionaries(st.text(min_size=1, max_size=5).map("x_".__add__), values, max_size=3),
)
def test_messages_of_any_role_keep_parts_of_any_kind(
    role: str, parts: list[dict[str, Any]], extra: dict[str, Any]
) -> None:
    message = {"type": "message", "id": "msg_1", "role": role, "content": parts, "status": "completed"} | extra
    assert stored(message) == [message]


@pytest.mark.parametrize("kind", sorted(set(TYPES) - SENDABLE - {"item_reference"}))
def test_what_cannot_be_told_to_a_model_server_is_refused_by_name(kind: str) -> None:
    """Stored it may be; a turn that would have to tell of it is a 400, not a silent omission."""
    with pytest.raises(InvalidRequest) as refused:
        refuse_unsendable(["message", kind], "conversation")
    assert kind in refused.value.message
    assert (refused.value.param, refused.value.code) == ("conversation", "unsupported_item")


MESSAGE = {"type": "message", "role": "user", "content": "Hi"}

REFUSED: dict[str, tuple[list[Any], str, str]] = {
    "too many": ([MESSAGE] * 21, "items", "array_above_max_length"),
    "no object": ([MESSAGE, 7], "items[1]", "invalid_type"),
    "no type": ([{"text": "Hi"}], "items[0].type", "invalid_value"),
    "an unknown type": ([MESSAGE, {"type": "poem"}], "items[1].type", "invalid_value"),
    "an unknown role": ([MESSAGE | {"role": "king"}], "items[0].role", "invalid_value"),
    "no role": ([{"type": "message", "content": "Hi"}], "items[0].role", "missing_required_parameter"),
    "an id twice (C2)": ([MESSAGE | {"id": "m"}, MESSAGE | {"id": "m"}], "items[1].id", "duplicate_item_id"),
    "an id with a space": ([MESSAGE | {"id": "a b"}], "items[0].id", "invalid_value"),
    "an id of nobody's type": ([{"type": "computer_call", "id": 7}], "items[0].id", "invalid_type"),
    "a status that is none": ([{"type": "mcp_call", "status": {}}], "items[0].status", "invalid_type"),
    "a call without its id": (
        [{"type": "function_call", "name": "f", "arguments": "{}"}],
        "items[0].call_id",
        "missing_required_parameter",
    ),
    "a part that is no object": ([MESSAGE | {"content": ["Hi"]}], "items[0].content", "invalid_type"),
}


@pytest.mark.parametrize(("items", "param", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_names_the_field(items: list[Any], param: str, code: str) -> None:
    """C6, C2."""
    with pytest.raises(InvalidRequest) as refused:
        stored(*items)
    assert (refused.value.param, refused.value.code) == (param, code)
