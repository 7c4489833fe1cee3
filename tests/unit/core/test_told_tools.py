"""How the caller's tools look to a Chat Completions model, and how its calls lead back to them."""

from typing import Any

import pytest

from shared.core.prompt import chat_request, messages
from shared.core.told_tools import LONGEST_NAME, told_name, told_tools

FUNCTION = {"type": "function", "name": "find", "description": "Finds.", "parameters": {"type": "object"}}
CUSTOM = {"type": "custom", "name": "shell", "description": "Runs."}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
NAMESPACE = {"type": "namespace", "name": "crm", "description": "Customers.", "tools": [FUNCTION, CUSTOM]}
INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


def told(*tools: dict[str, Any]) -> list[dict[str, Any]]:
    return [tool.function()["function"] for tool in told_tools(tools)]


def chosen(choice: Any, *tools: dict[str, Any]) -> tuple[list[str], Any]:
    """The names the model is told of, and its choice among them."""
    body = chat_request({"model": "m", "tools": list(tools), "tool_choice": choice}, [])
    return [tool["function"]["name"] for tool in body.get("tools", [])], body.get("tool_choice")


def test_a_function_is_told_as_it_is() -> None:
    (function,) = told(FUNCTION | {"strict": False, "defer_loading": True})
    assert function == {
        "name": "find",
        "description": "Finds.",
        "parameters": {"type": "object"},
        "strict": False,
    }


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    assert told(CUSTOM) == [{"name": "shell", "description": "Runs.", "parameters": INPUT}]


def test_a_grammar_is_described() -> None:
    (function,) = told(CUSTOM | {"format": GRAMMAR})
    assert function["description"] == "Runs.\n\n`input` must match this grammar (lark):\nstart: WORD"


def test_a_namespace_is_flattened() -> None:
    assert [(one["name"], one["description"]) for one in told(NAMESPACE)] == [
        ("crm__find", "Customers.\n\nFinds."),
        ("crm__shell", "Customers.\n\nRuns."),
    ]


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    names = {told_name("f" * 60 + end, "n" * 60) for end in "ab"}
    assert len(names) == 2
    assert {len(name) for name in names} == {LONGEST_NAME}
    assert told_name("f" * 128, None) == "f" * 128


FIND_IN_CRM = {"type": "function", "name": "find", "namespace": "crm"}


@pytest.mark.parametrize(
    ("choice", "names", "told_choice"),
    [
        ("required", ["find", "crm__find", "crm__shell"], "required"),
        ({"type": "function", "name": "find"}, ["find", "crm__find", "crm__shell"], "find"),
        (FIND_IN_CRM, ["find", "crm__find", "crm__shell"], "crm__find"),
        ({"type": "custom", "name": "shell"}, ["find", "crm__find", "crm__shell"], "crm__shell"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [FIND_IN_CRM]}, ["crm__find"], "auto"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "namespace", "name": "crm"}]},
            ["crm__find", "crm__shell"],
            "required",
        ),
    ],
)
def test_a_choice_is_told_by_the_told_names(choice: Any, names: list[str], told_choice: str) -> None:
    expected = told_choice if isinstance(choice, str) or choice["type"] == "allowed_tools" else None
    function = {"type": "function", "function": {"name": told_choice}}
    assert chosen(choice, FUNCTION, NAMESPACE) == (names, expected or function)


def test_a_call_in_history_has_the_name_that_the_model_was_told() -> None:
    call = {"call_id": "c", "name": "find", "namespace": "crm", "arguments": "{}", "status": "completed"}
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    asked, _ = messages(None, [call | {"type": "function_call"}, output])
    assert asked["tool_calls"][0]["function"]["name"] == "crm__find"
