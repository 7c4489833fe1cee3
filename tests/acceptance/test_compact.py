"""POST /v1/responses/compact: a model's summary, sealed; the next turn goes on from it, wherever it is sent."""

from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI
from openai.types.responses import CompactedResponse

from tests.acceptance.turns import answer
from tests.scripted_upstream import Call, ScriptedUpstream
from tests.upstream_steps import Cut, Finish, Reply, Say

SUMMARIZE = "Summarize the conversation"
CALL = {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "found"}


def told(call: Call) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in call.body["messages"]]


@pytest.fixture
def summarized(upstream: ScriptedUpstream, topic: str) -> str:
    """The summary that the model gives of whatever it is told in this test."""
    summary = f"All about {topic}."
    upstream.script(SUMMARIZE, answer(summary, usage=(40, 4)))
    return summary


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def window_of(compacted: CompactedResponse) -> list[Any]:
    """The output as the next input. The SDK's type of it knows no user's message, and says so at each."""
    return [item.to_dict(warnings=False) for item in compacted.output]


def test_the_window_is_the_users_messages_and_a_sealed_summary(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, summarized: str
) -> None:
    said = {"type": "message", "role": "assistant", "content": f"About {topic}?"}
    compacted = client.responses.compact(
        model="m", input=[user(f"Hello {topic}"), said, CALL, OUTPUT], instructions="Be brief."
    )
    *messages, last = compacted.output
    assert compacted.object == "response.compaction"
    assert [message.content[0].text for message in messages] == [f"Hello {topic}"]
    assert last.type == "compaction"
    assert summarized not in last.encrypted_content
    assert (compacted.usage.input_tokens, compacted.usage.output_tokens) == (40, 4)
    call = upstream.calls_with(SUMMARIZE)[-1]
    assert [role for role, _ in told(call)] == ["system", "user", "assistant", "tool", "user"]
    assert not call.body.keys() & {"tools", "max_tokens", "response_format"}


def test_the_next_turn_is_told_the_summary_in_place_of_what_came_before(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, summarized: str
) -> None:
    parent = client.responses.create(model="m", input=f"first {topic}")
    compacted = client.responses.compact(model="m", previous_response_id=parent.id)
    turn = client.responses.create(model="m", input=[*window_of(compacted), user(f"second {topic}")])
    assert turn.status == "completed"
    first, summary, second = told(upstream.calls_with(f"second {topic}")[-1])
    assert (first, second) == (("user", f"first {topic}"), ("user", f"second {topic}"))
    assert summary[0] == "user"
    assert summary[1].endswith(summarized)


def test_a_chain_goes_on_from_the_summary(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, summarized: str
) -> None:
    compacted = client.responses.compact(model="m", input=[user(f"first {topic}")])
    turn = client.responses.create(model="m", input=[*window_of(compacted), user(f"second {topic}")])
    client.responses.create(model="m", input=f"third {topic}", previous_response_id=turn.id)
    texts = [text for _, text in told(upstream.calls_with(f"third {topic}")[-1])]
    assert [text for text in texts if text.endswith(summarized)] == [texts[1]]
    assert texts[-1] == f"third {topic}"


def test_a_conversation_holds_it_as_it_came(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, summarized: str
) -> None:
    *_, sealed = client.responses.compact(model="m", input=f"first {topic}").output
    conversation = client.conversations.create(items=[user("of before"), sealed.to_dict()])
    held = client.conversations.items.retrieve(sealed.id, conversation_id=conversation.id)
    assert held.to_dict() == sealed.to_dict()
    client.responses.create(model="m", input=f"second {topic}", conversation=conversation.id)
    assert told(upstream.calls_with(f"second {topic}")[-1])[1][1].endswith(summarized)


def test_nothing_is_kept(client: OpenAI, http: httpx2.Client, topic: str, summarized: str) -> None:
    before = http.get("/responses").json()
    compacted = client.responses.compact(model="m", input=topic)
    assert http.get("/responses").json() == before
    assert http.get(f"/responses/{compacted.id}").status_code == 404


@pytest.mark.parametrize("spoil", [lambda sealed: sealed[:-2] + "AA", lambda _: "gAAAAA", lambda _: ""])
def test_a_compaction_that_was_changed_is_refused(client: OpenAI, topic: str, summarized: str, spoil: Any) -> None:
    *_, sealed = client.responses.compact(model="m", input=topic).output
    changed = sealed.to_dict() | {"encrypted_content": spoil(sealed.encrypted_content)}
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="m", input=[changed, user("more")])
    assert (refused.value.param, refused.value.code) == ("input[0].encrypted_content", "invalid_encrypted_content")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "x"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "previous_response_id": "resp_none"}, "previous_response_id"),
        ({"model": "m", "input": [{"type": "compaction"}]}, "input[0].encrypted_content"),
        ({"model": "m", "input": [CALL]}, "input"),
    ],
)
def test_what_cannot_be_summarized_is_refused(http: httpx2.Client, body: dict[str, Any], param: str) -> None:
    refused = http.post("/responses/compact", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([Reply(500)], 502),
        ([Say("Half "), Cut()], 502),
        ([Say("Half "), Finish("length")], 502),
        ([Finish()], 502),
        ([Reply(429, b"{}", {"Retry-After": "0"})], 429),
    ],
    ids=["failed", "cut", "out of room", "nothing said", "too many requests"],
)
def test_without_a_whole_summary_there_is_no_compaction(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, steps: Any, status: int
) -> None:
    upstream.script(SUMMARIZE, steps)
    with pytest.raises(openai.APIStatusError) as refused:
        client.responses.compact(model="m", input=topic)
    assert refused.value.status_code == status
    assert refused.value.body.keys() == {"message", "type", "param", "code"}
