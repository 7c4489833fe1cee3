"""Stored items as the input of a native Responses server."""

from typing import Any

import pytest

from shared.core.native_request import native_input
from shared.errors import InvalidRequest
from shared.wire.items import SEALED_HERE

CALL: dict[str, Any] = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT: dict[str, Any] = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
TEXT = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}


def stored(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "item_1", "status": "completed"} | item | more


def test_messages_go_as_they_are_without_ids() -> None:
    message = {"type": "message", "role": "assistant", "phase": "commentary", "content": [TEXT]}
    assert native_input([stored(message)]) == [message]


@pytest.mark.parametrize(("role", "kind"), [("user", "input_text"), ("assistant", "output_text")])
def test_the_old_name_of_a_text_becomes_that_of_its_side(role: str, kind: str) -> None:
    message = {"type": "message", "role": role, "content": [{"type": "text", "text": "Hi"}]}
    assert native_input([stored(message)])[0]["content"] == [{"type": kind, "text": "Hi"}]


def test_calls_go_with_their_outputs() -> None:
    assert native_input([stored(CALL), stored(OUTPUT)]) == [CALL | {"status": "completed"}, OUTPUT]


def test_a_call_that_was_cut_short_is_left_out() -> None:
    assert native_input([stored(CALL, status="incomplete")]) == []


def test_a_call_nobody_answered_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        native_input([stored(CALL)])


def test_reasoning_goes_back_sealed_or_not_at_all() -> None:
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "sealed"}
    plain = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]}
    ours = sealed | {"encrypted_content": SEALED_HERE + "sealed"}
    assert native_input([stored(sealed, content=[]), stored(plain), stored(ours)]) == [sealed]


def test_items_of_hosted_tools_keep_the_id_by_which_others_name_them() -> None:
    asked = stored({"type": "mcp_approval_request", "name": "f", "arguments": "{}", "server_label": "s"}, id="mcpr_1")
    answered = stored({"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True})
    told = native_input([asked, answered])
    assert [item["id"] for item in told] == ["mcpr_1", "item_1"]
    assert told[1]["approval_request_id"] == told[0]["id"]
    assert all("status" not in item for item in told)


def test_items_of_hosted_tools_that_have_a_status_keep_it() -> None:
    search = stored({"type": "web_search_call", "action": {"type": "search"}})
    assert native_input([search]) == [search]
