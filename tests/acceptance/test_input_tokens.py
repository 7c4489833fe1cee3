"""POST /v1/responses/input_tokens: what a turn would have the model read, counted by the model's own server."""

from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.acceptance.turns import answer, ended, script_gated
from tests.scripted_upstream import Call, ScriptedUpstream
from tests.upstream_steps import Reply


def told(call: Call) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in call.body["messages"]]


def test_a_count_is_the_usage_that_the_turn_would_have(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer("Yes.", usage=(23, 1)))
    asked: dict[str, Any] = {"model": "m", "input": topic, "instructions": "Be brief."}
    counted = client.responses.input_tokens.count(**asked)
    assert (counted.object, counted.input_tokens) == ("response.input_tokens", 23)
    turn = client.responses.create(**asked)
    assert turn.usage is not None
    assert turn.usage.input_tokens == counted.input_tokens
    *_, counting, answering = upstream.calls_with(topic)
    assert counting.body == answering.body | {"max_tokens": 1}


def test_what_the_turn_goes_on_from_is_counted_and_nothing_is_kept(
    client: OpenAI, http: httpx2.Client, upstream: ScriptedUpstream, topic: str
) -> None:
    parent = client.responses.create(model="m", input=f"first {topic}")
    listed = http.get("/responses").json()
    client.responses.input_tokens.count(model="m", input=f"second {topic}", previous_response_id=parent.id)
    history = [("user", f"first {topic}"), ("assistant", parent.output_text), ("user", f"second {topic}")]
    assert told(upstream.calls_with(f"second {topic}")[-1]) == history
    assert http.get("/responses").json() == listed
    assert [item["role"] for item in http.get(f"/responses/{parent.id}/input_items").json()["data"]] == ["user"]


def test_the_items_of_a_conversation_are_counted_and_none_is_added(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    conversation = client.conversations.create(items=[{"type": "message", "role": "user", "content": f"first {topic}"}])
    client.responses.input_tokens.count(model="m", input=f"second {topic}", conversation=conversation.id)
    assert told(upstream.calls_with(f"second {topic}")[-1]) == [("user", f"first {topic}"), ("user", f"second {topic}")]
    assert len(client.conversations.items.list(conversation.id).data) == 1


def test_a_turn_that_still_runs_cannot_be_counted_yet(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    parent = client.responses.create(model="m", input=topic, background=True)
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.input_tokens.count(model="m", input="more", previous_response_id=parent.id)
    assert refused.value.code == "conversation_locked"
    assert refused.value.response.headers["x-should-retry"] == "true"
    upstream.open(topic)
    ended(client, parent.id)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": "x"}, 400, "model"),
        ({"model": "m"}, 400, "input"),
        ({"model": "m", "input": "x", "previous_response_id": "resp_none"}, 400, "previous_response_id"),
        ({"model": "m", "input": "x", "conversation": "conv_none"}, 404, "conversation"),
        ({"model": "m", "input": [{"type": "item_reference", "id": "msg_none"}]}, 400, "input[0].id"),
        ({"model": "m", "input": [{"type": "web_search_call"}]}, 400, "input[0].type"),
        ({"model": "m", "input": "x", "tools": "f"}, 400, "tools"),
    ],
)
def test_what_a_turn_would_be_refused_for_is_refused(
    http: httpx2.Client, body: dict[str, Any], status: int, param: str
) -> None:
    refused = http.post("/responses/input_tokens", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (status, param)


@pytest.mark.parametrize(("status", "answered"), [(500, 502), (429, 429), (400, 400)])
def test_a_failure_of_the_models_server_is_told_and_not_counted(
    client: OpenAI, upstream: ScriptedUpstream, topic: str, status: int, answered: int
) -> None:
    upstream.script(topic, [Reply(status, b"{}", {"Retry-After": "0"})])
    with pytest.raises(openai.APIStatusError) as refused:
        client.responses.input_tokens.count(model="m", input=topic)
    assert refused.value.status_code == answered
    assert refused.value.body.keys() == {"message", "type", "param", "code"}
