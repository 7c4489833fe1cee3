"""Compaction inside a turn: from a threshold on, or when asked for; what comes out of it goes on as any item does."""

from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.acceptance.turns import answer
from tests.raw_http import RawStream, text_of
from tests.scripted_upstream import Call, ScriptedUpstream
from tests.stack import Stack
from tests.unit.core.response_shape import assert_ended
from tests.upstream_steps import Done, Finish, Reply, Step, Tokens, ToolPiece

SUMMARIZE = "Summarize the conversation"
FROM_2000: Any = [{"type": "compaction", "compact_threshold": 2000}]
TRIGGER: Any = {"type": "compaction_trigger"}


def told(call: Call) -> list[tuple[str, str]]:
    """What the model was told, a summary without its foreword."""
    return [(message["role"], (message["content"] or "").split("\n\n")[-1]) for message in call.body["messages"]]


def counted(tokens: int) -> list[Step]:
    return answer("x", finish="length", usage=(tokens, 1))


def user(text: str) -> Any:
    return {"type": "message", "role": "user", "content": text}


@pytest.fixture
def summary(upstream: ScriptedUpstream, topic: str) -> str:
    """What the model says when it is asked for a summary in this test."""
    upstream.script(SUMMARIZE, answer(f"All about {topic}.", usage=(40, 4)))
    return f"All about {topic}."


@pytest.fixture
def parent(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> str:
    """A turn to go on from."""
    upstream.script(f"first {topic}", answer("One."))
    return client.responses.create(model="m", input=f"first {topic}").id


def test_above_the_threshold_the_model_answers_from_a_summary(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, parent: str, summary: str
) -> None:
    upstream.script(f"second {topic}", counted(2001), answer("Two.", usage=(50, 5)))
    turn = client.responses.create(
        model="m", input=f"second {topic}", previous_response_id=parent, context_management=FROM_2000
    )
    assert [item.type for item in turn.output] == ["compaction", "message"]
    assert turn.output_text == "Two."
    assert turn.usage is not None
    assert (turn.usage.input_tokens, turn.usage.output_tokens) == (90, 9)
    answering = upstream.calls_with(f"second {topic}")[-1]
    assert told(answering) == [("user", f"first {topic}"), ("user", summary), ("user", f"second {topic}")]


def test_the_turns_after_it_go_on_from_the_summary(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, parent: str, summary: str
) -> None:
    upstream.script(f"second {topic}", counted(2001), answer("Two."))
    turn = client.responses.create(
        model="m", input=f"second {topic}", previous_response_id=parent, context_management=FROM_2000
    )
    client.responses.create(model="m", input=f"third {topic}", previous_response_id=turn.id)
    assert told(upstream.calls_with(f"third {topic}")[-1]) == [
        ("user", f"first {topic}"),
        ("user", f"second {topic}"),
        ("user", summary),
        ("assistant", "Two."),
        ("user", f"third {topic}"),
    ]


def test_a_client_that_sends_everything_anew_gets_the_same(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, summary: str
) -> None:
    upstream.script(f"second {topic}", counted(2001), answer("Two."))
    said = {"type": "message", "role": "assistant", "content": "One."}
    sent = [user(f"first {topic}"), said, user(f"second {topic}")]
    turn = client.responses.create(model="m", input=sent, store=False, context_management=FROM_2000)
    given_back = [item.to_dict() for item in turn.output]
    client.responses.create(model="m", input=[*sent, *given_back, user(f"third {topic}")], store=False)
    assert told(upstream.calls_with(f"third {topic}")[-1])[2:4] == [("user", summary), ("assistant", "Two.")]


@pytest.mark.parametrize("tokens", [1, 2000])
def test_below_the_threshold_nothing_is_compacted(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, parent: str, tokens: int
) -> None:
    upstream.script(f"second {topic}", counted(tokens), answer("Two."))
    turn = client.responses.create(
        model="m", input=f"second {topic}", previous_response_id=parent, context_management=FROM_2000
    )
    assert [item.type for item in turn.output] == ["message"]


def test_where_a_summary_would_stand_for_nothing_no_tokens_are_counted(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    client.responses.create(model="m", input=topic, context_management=FROM_2000)
    assert len(upstream.calls_with(topic)) == 1


def test_a_call_stays_with_the_output_that_the_turn_brings(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, summary: str
) -> None:
    piece = ToolPiece("{}", id="call_1", name="look_up")
    upstream.script(topic, [piece, Finish("tool_calls"), Tokens(1, 1), Done()], counted(2001), answer("It is there."))
    tools: Any = [{"type": "function", "name": "look_up", "parameters": {}}]
    said: Any = {"type": "message", "role": "assistant", "content": "One."}
    asked = client.responses.create(model="m", input=[user("first"), said, user(topic)], tools=tools)
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "found"}
    turn = client.responses.create(
        model="m", input=[output], previous_response_id=asked.id, tools=tools, context_management=FROM_2000
    )
    assert turn.output_text == "It is there."
    answering = [call for call in upstream.calls_with(topic) if call.body["messages"][-1]["content"] == "found"][-1]
    assert [role for role, _ in told(answering)] == ["user", "user", "user", "assistant", "tool"]
    assert told(answering)[2] == ("user", summary)


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
def test_a_stream_begins_with_the_compaction(
    stack: Stack, upstream: ScriptedUpstream, topic: str, parent: str, summary: str, background: bool
) -> None:
    upstream.script(f"second {topic}", counted(2001), answer("Two."))
    body = {
        "model": "m",
        "input": f"second {topic}",
        "previous_response_id": parent,
        "context_management": FROM_2000,
        "stream": True,
        "background": background,
    }
    with RawStream.post(stack.url(), "/responses", body) as stream:
        events = list(stream.events())
    items = [(event["type"], event["output_index"], event["item"]["type"]) for event in events if "item" in event]
    assert items == [
        ("response.output_item.added", 0, "compaction"),
        ("response.output_item.done", 0, "compaction"),
        ("response.output_item.added", 1, "message"),
        ("response.output_item.done", 1, "message"),
    ]
    assert text_of(events) == "Two."
    assert_ended(events[-1]["response"])
    assert not any(summary in str(event) for event in events)


def test_a_trigger_has_the_turn_compacted_and_nothing_else(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, parent: str, summary: str
) -> None:
    turn = client.responses.create(model="m", input=[user(f"second {topic}"), TRIGGER], previous_response_id=parent)
    assert [item.type for item in turn.output] == ["compaction"]
    assert turn.status == "completed"
    assert turn.usage is not None
    assert turn.usage.total_tokens == 44
    assert upstream.calls_with(f"second {topic}") == []
    client.responses.create(model="m", input=f"third {topic}", previous_response_id=turn.id)
    texts = [text for _, text in told(upstream.calls_with(f"third {topic}")[-1])]
    assert texts == [f"first {topic}", f"second {topic}", summary, f"third {topic}"]


def test_a_conversation_can_be_compacted(client: OpenAI, upstream: ScriptedUpstream, topic: str, summary: str) -> None:
    conversation = client.conversations.create(items=[user(f"first {topic}")])
    client.responses.create(model="m", input=[TRIGGER], conversation=conversation.id)
    kinds = [item.type for item in client.conversations.items.list(conversation.id, order="asc").data]
    assert kinds == ["message", "compaction"]
    client.responses.create(model="m", input=f"second {topic}", conversation=conversation.id)
    texts = [text for _, text in told(upstream.calls_with(f"second {topic}")[-1])]
    assert texts == [f"first {topic}", summary, f"second {topic}"]


def test_a_summary_that_fails_fails_the_turn(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, parent: str
) -> None:
    upstream.script(SUMMARIZE, [Reply(400)])
    turn = client.responses.create(model="m", input=[user(topic), TRIGGER], previous_response_id=parent)
    assert (turn.status, turn.output) == ("failed", [])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": [TRIGGER, {"role": "user", "content": "x"}]}, "input[0]"),
        ({"context_management": [{"type": "compaction"}]}, "context_management[0].compact_threshold"),
        ({"context_management": [{"type": "other", "compact_threshold": 2000}]}, "context_management[0].type"),
        ({"context_management": [{"type": "compaction", "compact_threshold": 999}]}, None),
        ({"context_management": []}, "context_management"),
    ],
)
def test_what_cannot_be_meant_is_refused(http: httpx2.Client, fields: dict[str, Any], param: str | None) -> None:
    refused = http.post("/responses", json={"model": "m", "input": "x"} | fields)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == (param or "context_management[0].compact_threshold")


def test_without_a_secret_key_there_is_no_compaction(new_stack: Any, topic: str) -> None:
    with (
        new_stack(apis=1, workers=0) as keyless,
        OpenAI(base_url=keyless.url(), api_key="unused", max_retries=0) as sdk,
    ):
        for call in (
            lambda: sdk.responses.compact(model="m", input=topic),
            lambda: sdk.responses.create(model="m", input=[user(topic), TRIGGER]),
            lambda: sdk.responses.create(model="m", input=topic, context_management=FROM_2000),
        ):
            with pytest.raises(openai.BadRequestError) as refused:
                call()
            assert refused.value.code == "no_secret_key"
