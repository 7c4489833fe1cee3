"""A history that is too long loses its oldest half, and never a call without its output (R10)."""

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.context import Context
from shared.core.prompt import CALLS, OUTPUTS, match_calls, messages
from shared.errors import InvalidRequest

law = settings(deadline=None, max_examples=300)

Items = list[dict[str, Any]]

kinds = st.one_of(
    st.tuples(st.just("message"), st.sampled_from(["user", "assistant", "system", "developer"])),
    st.tuples(st.just("message"), st.just("user")),
    st.tuples(st.sampled_from(sorted(CALLS)), st.sampled_from(["completed", "incomplete"])),
    st.tuples(st.just("reasoning"), st.just("")),
)


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    """Histories whose calls and outputs match: answered in any order, at once or by the turn's own input."""
    items: Items = []
    open_calls: list[dict[str, Any]] = []
    for number, (kind, how) in enumerate(draw(st.lists(kinds, max_size=12))):
        item = _item(kind, how, number)
        items.append(item)
        # A model server may use one call id for several calls, whose outputs then come in their order.
        if kind in CALLS:
            item["call_id"] = draw(st.sampled_from(["a", "b", f"c{number}"]))
            open_calls.append(item)
        if open_calls and draw(st.booleans()):
            _answer(items, open_calls, draw(st.integers(0, len(open_calls) - 1)))
    cut = draw(st.integers(0, len(items)))
    own = [*items[cut:], _item("message", "user", 99)]
    for call in open_calls:
        if call["status"] == "completed":
            own.append(_output(call, 100 + len(own)))
    return Context(items[:cut], own)


def _item(kind: str, how: str, number: int) -> dict[str, Any]:
    item: dict[str, Any] = {"type": kind, "id": f"item_{number}", "status": "completed"}
    if kind == "message":
        return item | {"role": how, "content": [{"type": "input_text", "text": str(number)}]}
    if kind in CALLS:
        return item | {"status": how, "name": "f", "arguments": "{}", "input": "x"}
    return item


def _answer(items: Items, open_calls: Items, chosen: int) -> None:
    call_id = open_calls[chosen]["call_id"]
    first = next(call for call in open_calls if call["call_id"] == call_id)
    open_calls.remove(first)
    items.append(_output(first, len(items) + 1000))


def _output(call: dict[str, Any], number: int) -> dict[str, Any]:
    return {"type": call["type"] + "_output", "id": f"out_{number}", "call_id": call["call_id"], "output": "x"}


def matches(items: Items) -> bool:
    try:
        match_calls(items)
    except InvalidRequest:
        return False
    return True


def steps(context: Context) -> list[Context]:
    """The context and all it becomes until nothing more may be left out."""
    found = [context]
    while shorter := found[-1].without_oldest_half():
        found.append(shorter)
        assert len(found) < 50
    return found


def ids(items: Items) -> list[str]:
    return [item["id"] for item in items]


@law
@given(context=contexts())
def test_what_a_model_can_be_told_stays_what_it_can_be_told(context: Context) -> None:
    """Never a call without its output, nor an output without its call, however often it is shortened."""
    if matches(context.items):
        for shorter in steps(context):
            assert matches(shorter.items)
            assert messages(None, shorter.items)


@law
@given(context=contexts())
def test_the_turns_own_input_is_always_kept_and_the_rest_in_its_order(context: Context) -> None:
    if not matches(context.items):
        return
    for longer, shorter in itertools.pairwise(steps(context)):
        assert shorter.own == context.own
        kept = iter(ids(longer.before))
        assert all(one in kept for one in ids(shorter.before))


@law
@given(context=contexts())
def test_what_the_callers_system_said_is_never_left_out(context: Context) -> None:
    if not matches(context.items):
        return
    said = [item for item in context.before if item.get("role") in ("system", "developer")]
    last = steps(context)[-1]
    assert [item for item in last.before if item.get("role") in ("system", "developer")] == said


@law
@given(context=contexts())
def test_each_step_leaves_out_the_older_half_and_the_last_leaves_only_what_must_stay(context: Context) -> None:
    """It ends: at what the turn itself answers, and what the caller's system said."""
    if not matches(context.items):
        return
    found = steps(context)
    for longer, shorter in itertools.pairwise(found):
        gone = [item for item in longer.before if item not in shorter.before and item["type"] not in OUTPUTS]
        stays = [item for item in shorter.before if item["type"] not in OUTPUTS and may_go(longer, item)]
        assert len(gone) in (len(stays), len(stays) + 1)
        assert all(longer.before.index(one) < longer.before.index(other) for one in gone for other in stays)
    assert not any(may_go(found[-1], item) for item in found[-1].before if item["type"] not in OUTPUTS)


def may_go(context: Context, item: dict[str, Any]) -> bool:
    """Whether an item that came before the turn is nobody's system message and not answered by the turn's input."""
    if item["type"] in CALLS:
        answered = {call: output["id"] for call, output in match_calls(context.items).items()}
        return answered.get(context.before.index(item)) not in ids(context.own)
    return item.get("role") not in ("system", "developer")


def test_a_context_of_nothing_but_the_turns_own_input_cannot_be_shortened() -> None:
    assert Context([], [_item("message", "user", 1)]).without_oldest_half() is None
    assert Context([_item("message", "system", 0)], [_item("message", "user", 1)]).without_oldest_half() is None
