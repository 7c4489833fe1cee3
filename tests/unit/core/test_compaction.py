"""A compaction, expanded: its summary stands for what came before it, save what the model has not said itself."""

from typing import Any

import pytest

from shared.core import prompt
from shared.core.compaction import (
    can_shorten,
    check,
    compacted,
    compaction_item,
    expand,
    expanded,
    kept,
    summary_items,
    summary_request,
)
from shared.core.context import Context
from shared.errors import InvalidRequest

CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "done"}
TRIGGER = {"type": "compaction_trigger", "id": "cmpt_1"}


def said(text: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def compaction(summary: str) -> dict[str, Any]:
    return compaction_item("cmp_1", f"sealed {summary}")


def opened(sealed: str) -> str | None:
    return sealed.removeprefix("sealed ") if sealed.startswith("sealed ") else None


def texts(items: list[dict[str, Any]]) -> list[str]:
    """What a model is told, the foreword of a summary left out."""
    return [message["content"].split("\n\n")[-1] for message in prompt.messages(None, items)]


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([], []),
        ([said("a"), said("b", "assistant")], ["a", "b"]),
        ([compaction("S"), said("a")], ["S", "a"]),
        ([said("a"), said("b", "assistant"), CALL, OUTPUT, compaction("S"), said("c")], ["a", "S", "c"]),
        ([said("a", "developer"), compaction("S")], ["a", "S"]),
        ([compaction("S"), said("a"), said("b", "assistant"), compaction("T"), said("c")], ["a", "T", "c"]),
        ([said("a"), TRIGGER, compaction("S")], ["a", "S"]),
    ],
    ids=["nothing", "none", "first", "after an answer and a call", "after instructions", "two", "after its trigger"],
)
def test_the_last_compaction_stands_for_what_came_before_it(items: list[Any], told: list[str]) -> None:
    assert texts(expanded(items, opened)) == told


def test_one_in_a_turns_own_input_stands_for_its_history_as_well() -> None:
    history = [said("a"), said("b", "assistant"), CALL, OUTPUT, compaction("S")]
    own = [said("c"), compaction("T"), said("d")]
    assert texts(expand(Context(history, own), opened).items) == ["a", "c", "T", "d"]


def test_one_in_the_history_leaves_the_turns_own_input_as_it_is() -> None:
    told = expand(Context([said("a", "assistant"), compaction("S"), CALL], [OUTPUT, said("b")]), opened)
    assert told.before[-1] == CALL
    assert told.own == [OUTPUT, said("b")]


def test_a_context_without_any_is_left_alone() -> None:
    told = Context([said("a")], [said("b")])
    assert expand(told, opened) is told


@pytest.mark.parametrize("item", [compaction_item("cmp_1", "other"), {"type": "compaction"}], ids=["changed", "empty"])
def test_one_that_does_not_open_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        expanded([item], opened)
    assert refused.value.code == "invalid_encrypted_content"
    with pytest.raises(InvalidRequest) as refused:
        check([said("a"), item], opened)
    assert refused.value.param == "input[1].encrypted_content"


def test_a_trigger_is_the_last_item() -> None:
    check([said("a"), TRIGGER], opened)
    with pytest.raises(InvalidRequest, match="must be the last item"):
        check([TRIGGER, said("a")], opened)


@pytest.mark.parametrize(
    ("items", "left"),
    [
        ([said("a"), said("b", "assistant"), said("c")], ["a", "S", "c"]),
        ([said("a"), said("b", "assistant"), said("c"), said("d", "developer")], ["a", "S", "c", "d"]),
        ([said("a", "system"), said("b"), said("c", "assistant")], ["a", "b", "S"]),
        ([said("a"), CALL, OUTPUT, said("b", "assistant"), said("c")], ["a", "S", "c"]),
    ],
    ids=["an answer", "a question in two parts", "no question", "a call that is over"],
)
def test_a_turn_keeps_its_question_and_what_the_model_has_not_said_itself(items: list[Any], left: list[str]) -> None:
    assert can_shorten(items)
    assert texts(compacted(items, "S")) == left


def test_a_call_whose_output_is_the_question_stays_with_it() -> None:
    before = [said("a"), said("b", "assistant")]
    left = compacted([*before, CALL, OUTPUT], "S")
    assert left[-2:] == [CALL, OUTPUT]
    assert not can_shorten([said("a"), CALL, OUTPUT])


@pytest.mark.parametrize("items", [[], [said("a")], [said("a"), said("b", "system")]])
def test_what_the_model_has_said_nothing_of_cannot_be_shortened(items: list[Any]) -> None:
    assert not can_shorten(items)


def test_a_summary_is_asked_for_without_what_an_answer_may_need() -> None:
    request = {"model": "m", "instructions": "i", "tools": [{}], "text": {}, "max_output_tokens": 20, "user": "u"}
    assert summary_request(request) == {"model": "m", "instructions": "i", "user": "u"}
    *before, task = summary_items([said("a"), CALL, OUTPUT])
    assert before == [said("a"), CALL, OUTPUT]
    assert task["role"] == "user"


def test_what_the_model_has_not_said_itself_is_kept() -> None:
    users = [said("a"), said("b", "system")]
    assert kept([users[0], said("c", "assistant"), CALL, OUTPUT, users[1], compaction("S")]) == users
