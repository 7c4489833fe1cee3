"""What a request may ask for when the model server speaks the Responses API itself."""

from typing import Any

import pytest
from test_request_rules import FUNCTION, MINIMAL, accepted, refusal

from shared.core.input_items import turn_items
from shared.core.request_rules import Policy
from shared.errors import InvalidRequest

NATIVE = Policy(native=True)
SEARCH = {"type": "web_search", "search_context_size": "low"}
SEARCHED = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [SEARCH, FUNCTION, {"type": "mcp", "server_label": "s", "server_url": "https://s.example"}]},
        {"tools": [SEARCH], "tool_choice": {"type": "web_search"}},
        {"tools": [{"type": "namespace", "name": "n", "description": "d", "tools": [FUNCTION, SEARCH]}]},
        {"include": ["web_search_call.action.sources", "reasoning.encrypted_content"]},
        {"reasoning": {"effort": "low", "summary": "auto", "mode": "pro", "context": "all_turns"}},
        {"prompt_cache_options": {"mode": "implicit"}, "prompt_cache_retention": "24h"},
        {"tools": [FUNCTION | {"defer_loading": True}]},
    ],
    ids=lambda asked: ", ".join(asked),
)
def test_what_a_chat_has_no_place_for_goes_on(asked: dict[str, Any]) -> None:
    taken = accepted(MINIMAL | asked, NATIVE)
    assert taken.ignored == ()
    assert taken.request == {"model": "stub"} | asked


def test_what_is_nobodys_is_still_listed() -> None:
    asked = {"stream_options": {"include_obfuscation": True}, "client_metadata": {}, "access_programs": {}}
    ignored = accepted(MINIMAL | asked, NATIVE).ignored
    assert set(ignored) == {"stream_options.include_obfuscation", "client_metadata", "access_programs"}


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"instruction": "Hi"}, "instruction"),
        ({"tools": [SEARCH], "tool_choice": {}}, "tool_choice.type"),
        ({"tools": [SEARCH], "tool_choice": {"type": "function", "name": "look_up"}}, "tool_choice"),
    ],
)
def test_what_is_wrong_in_itself_is_refused(wrong: dict[str, Any], param: str) -> None:
    assert refusal(wrong, NATIVE).param == param


def test_items_of_hosted_tools_are_taken_in() -> None:
    assert turn_items([SEARCHED], lambda kind: f"{kind}_1", native=True) == [SEARCHED]
    with pytest.raises(InvalidRequest):
        turn_items([SEARCHED], lambda kind: f"{kind}_1")
