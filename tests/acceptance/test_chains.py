"""`previous_response_id`: what the model sees of earlier turns (R4, R7, R8, R9, R10)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.acceptance.turns import ACTIVE, answer, ended, script_gated
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_steps import Gate, ToolPiece

WEATHER_TOOL: Any = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": None}


def seen_by_model(upstream: ScriptedUpstream, text: str) -> list[tuple[str, Any]]:
    """Role and content of the messages in the last call whose last user text holds `text`."""
    return [(message["role"], message["content"]) for message in upstream.calls_with(text)[-1].body["messages"]]


def call_a_tool(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> str:
    upstream.script(topic, answer(ToolPiece("{}", id="call_w", name="get_weather"), finish="tool_calls"))
    turn = client.responses.create(model="m", input=topic, tools=[WEATHER_TOOL])
    upstream.script(topic, answer("It rains."))
    return turn.id


def test_each_turn_sees_all_before_it_in_order(client: OpenAI, other: OpenAI, upstream: ScriptedUpstream) -> None:
    previous, expected = None, []
    for number in range(5):
        said = f"turn {number}"
        turn = (client, other)[number % 2].responses.create(model="m", input=said, previous_response_id=previous)
        expected += [("user", said), ("assistant", said)]
        previous = turn.id
        assert seen_by_model(upstream, said) == expected[:-1]


def test_two_answers_to_one_parent_are_two_branches(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """R8: siblings never leak into each other, and do not wait for each other."""
    root = client.responses.create(model="m", input=f"root {topic}")
    script_gated(upstream, f"left {topic}")
    left = client.responses.create(model="m", input=f"left {topic}", previous_response_id=root.id, background=True)
    upstream.wait_at(f"left {topic}")
    right = client.responses.create(model="m", input=f"right {topic}", previous_response_id=root.id)
    upstream.open(f"left {topic}")
    assert ended(client, left.id).status == "completed"
    for branch, name in ((left, "left"), (right, "right")):
        leaf = client.responses.create(model="m", input=f"leaf of {name} {topic}", previous_response_id=branch.id)
        assert leaf.previous_response_id == branch.id
        texts = [text for role, text in seen_by_model(upstream, f"leaf of {name} {topic}") if role == "user"]
        assert texts == [f"root {topic}", f"{name} {topic}", f"leaf of {name} {topic}"]


def test_a_follow_up_on_a_running_parent_waits_and_has_its_full_answer(
    client: OpenAI, other: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """R9."""
    script_gated(upstream, f"parent {topic}")
    parent = client.responses.create(model="m", input=f"parent {topic}", background=True)
    child = other.responses.create(model="m", input=f"child {topic}", previous_response_id=parent.id, background=True)
    upstream.wait_at(f"parent {topic}")
    assert client.responses.retrieve(child.id).status == "queued"
    assert upstream.calls_with(f"child {topic}") == []
    upstream.open(f"parent {topic}")
    assert ended(client, child.id).status == "completed"
    assert seen_by_model(upstream, f"child {topic}") == [
        ("user", f"parent {topic}"),
        ("assistant", "First. Last."),
        ("user", f"child {topic}"),
    ]


def test_a_waiting_foreground_follow_up_is_answered_when_the_parent_has_ended(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """R9: in the foreground it is the caller who waits."""
    script_gated(upstream, f"parent {topic}")
    parent = client.responses.create(model="m", input=f"parent {topic}", background=True)
    upstream.wait_at(f"parent {topic}")
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.responses.create, model="m", input=f"child {topic}", previous_response_id=parent.id)
        upstream.open(f"parent {topic}")
        child = asked.result(20)
    assert child.output_text == f"child {topic}"
    assert ("assistant", "First. Last.") in seen_by_model(upstream, f"child {topic}")


def test_a_queue_of_follow_ups_runs_in_order(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, f"start {topic}")
    turns = [client.responses.create(model="m", input=f"start {topic}", background=True)]
    for number in range(4):
        turns.append(
            client.responses.create(
                model="m", input=f"next {number} {topic}", previous_response_id=turns[-1].id, background=True
            )
        )
    upstream.wait_at(f"start {topic}")
    upstream.open(f"start {topic}")
    assert [ended(client, turn.id).status for turn in turns] == ["completed"] * 5
    users = [text for role, text in seen_by_model(upstream, f"next 3 {topic}") if role == "user"]
    assert users == [f"start {topic}", *(f"next {number} {topic}" for number in range(4))]


def test_a_follow_up_on_a_cancelled_parent_has_the_items_that_exist(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """R11: and one that waited for it goes on."""
    script_gated(upstream, f"parent {topic}")
    parent = client.responses.create(model="m", input=f"parent {topic}", background=True, stream=False)
    upstream.wait_at(f"parent {topic}")
    child = client.responses.create(model="m", input=f"child {topic}", previous_response_id=parent.id, background=True)
    client.responses.cancel(parent.id)
    assert ended(client, child.id).status == "completed"
    assert seen_by_model(upstream, f"child {topic}")[0] == ("user", f"parent {topic}")


def test_instructions_belong_to_one_turn(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """R7."""
    first = client.responses.create(model="m", input=f"one {topic}", instructions="Speak French.")
    assert seen_by_model(upstream, f"one {topic}")[0] == ("system", "Speak French.")
    second = client.responses.create(model="m", input=f"two {topic}", previous_response_id=first.id)
    assert "system" not in [role for role, _ in seen_by_model(upstream, f"two {topic}")]
    assert second.instructions is None


def test_input_items_are_the_turns_own(client: OpenAI, topic: str) -> None:
    """R4, R5."""
    first = client.responses.create(model="m", input=f"one {topic}")
    second = client.responses.create(model="m", input=f"two {topic}", previous_response_id=first.id)
    (item,) = client.responses.input_items.list(second.id)
    assert item.content[0].text == f"two {topic}"
    assert item.id.startswith("msg_")
    assert item.status == "completed"


@pytest.mark.parametrize("parent", ["resp_unknown", "nonsense", "resp_" + "0" * 48, "x" * 200])
def test_an_unknown_parent_is_a_400(client: OpenAI, parent: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input="x", previous_response_id=parent)
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"
    assert refused.value.type == "invalid_request_error"


def test_a_deleted_parent_is_a_400_for_children_and_grandchildren(client: OpenAI, topic: str) -> None:
    """R8: deleting a parent is honoured; its children fail closed."""
    parent = client.responses.create(model="m", input=topic)
    child = client.responses.create(model="m", input=topic, previous_response_id=parent.id)
    client.responses.delete(parent.id)
    for previous in (parent.id, child.id):
        with pytest.raises(BadRequestError) as refused:
            client.responses.create(model="m", input=topic, previous_response_id=previous)
        assert refused.value.code == "previous_response_not_found"
    assert client.responses.retrieve(child.id).output_text == topic


def test_an_output_without_its_call_is_a_400(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """R10."""
    output: Any = [{"type": "function_call_output", "call_id": "call_none", "output": "x"}]
    parent = client.responses.create(model="m", input=topic)
    for previous in (None, parent.id):
        with pytest.raises(BadRequestError) as refused:
            client.responses.create(model="m", input=output, previous_response_id=previous)
        assert refused.value.param == "input"


def test_a_call_left_unanswered_is_a_400(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """R10."""
    parent = call_a_tool(client, upstream, topic)
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input="never mind", previous_response_id=parent)
    assert refused.value.param == "input"
    output: Any = [{"type": "function_call_output", "call_id": "call_w", "output": "rain"}]
    answered = client.responses.create(model="m", input=output, previous_response_id=parent)
    assert answered.output_text == "It rains."


def test_a_follow_up_whose_parent_turns_out_to_call_a_tool_fails_clearly(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """R10: what cannot be known at POST ends the turn `failed` with `invalid_prompt`."""
    upstream.script(topic, answer(Gate(topic), ToolPiece("{}", id="call_x", name="get_weather"), finish="tool_calls"))
    parent = client.responses.create(model="m", input=topic, tools=[WEATHER_TOOL], background=True)
    child = client.responses.create(model="m", input="go on", previous_response_id=parent.id, background=True)
    upstream.wait_at(topic)
    upstream.open(topic)
    failed = ended(client, child.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "invalid_prompt"
    assert client.responses.retrieve(parent.id).status not in ACTIVE


def test_an_earlier_answer_sent_back_as_input_is_understood(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """Stateless callers send the whole history themselves: output items, easy messages, tool calls."""
    first = client.responses.create(model="m", input=f"one {topic}")
    history: Any = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "input_text", "text": f"one {topic}"}]},
        *[item.to_dict(mode="json") for item in first.output],
        {"type": "function_call", "call_id": "call_h", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_h", "output": "done"},
        {"role": "user", "content": f"two {topic}"},
    ]
    client.responses.create(model="m", input=history)
    assert seen_by_model(upstream, f"two {topic}") == [
        ("system", "Be kind."),
        ("user", f"one {topic}"),
        ("assistant", f"one {topic}"),
        ("tool", "done"),
        ("user", f"two {topic}"),
    ]
