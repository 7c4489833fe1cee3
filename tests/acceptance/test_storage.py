"""What is kept and what is not."""

import httpx2
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.acceptance.turns import ended
from tests.scripted_upstream import ScriptedUpstream


def test_a_foreground_turn_not_to_be_stored_is_answered_and_then_nowhere(client: OpenAI, topic: str) -> None:
    """§2.1: 404 by id on every route, and no parent for anybody."""
    turn = client.responses.create(model="m", input=topic, store=False)
    assert turn.output_text
    assert turn.store is False
    for ask in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
        with pytest.raises(NotFoundError):
            ask(turn.id)
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input="on", previous_response_id=turn.id)
    assert refused.value.code == "previous_response_not_found"


def test_a_background_turn_not_to_be_stored_is_readable_for_whoever_asked_for_it(client: OpenAI, topic: str) -> None:
    """decided where authorities differ: allowed, and erased about ten minutes after its end."""
    turn = client.responses.create(model="m", input=topic, store=False, background=True)
    assert ended(client, turn.id).status == "completed"


def test_a_turn_not_to_be_stored_reads_a_parent_but_is_in_no_listing(
    client: OpenAI, http: httpx2.Client, upstream: ScriptedUpstream, topic: str
) -> None:
    parent = client.responses.create(model="m", input=f"{topic} parent")
    turn = client.responses.create(model="m", input=f"{topic} child", previous_response_id=parent.id, store=False)
    said = [message["content"] for message in upstream.wait_for_calls(1, f"{topic} child")[0].body["messages"]]
    assert said == [f"{topic} parent", parent.output_text, f"{topic} child"]
    listed = [entry["id"] for entry in http.get("/responses?limit=100").json()["data"]]
    assert parent.id in listed
    assert turn.id not in listed


def test_what_is_set_aside_and_how_it_ran_is_told(client: OpenAI, topic: str) -> None:
    """Q5: under `turnstone`, next to unchanged metadata."""
    turn = client.responses.create(
        model="m",
        input=topic,
        metadata={"team": "a"},
        tools=[{"type": "web_search"}],
        extra_body={"client_metadata": {"x": 1}},
    )
    told = turn.model_extra["turnstone"] if turn.model_extra else {}
    assert told["ignored"] == ["client_metadata", "tools[0]:web_search"]
    assert told["attempts"] == 1
    assert turn.created_at <= told["started_at"] + 1 <= told["ended_at"] + 1
    assert turn.metadata == {"team": "a"}
