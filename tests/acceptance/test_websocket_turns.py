"""Turns over one connection with the official SDK: `client.responses.connect()`."""

from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.resources.responses.responses import ResponsesConnection
from openai.types.responses import Response, ResponsesServerEvent

from tests.acceptance.turns import answer
from tests.raw_http import RawStream
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Reply

ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


def turn(connection: ResponsesConnection) -> list[ResponsesServerEvent]:
    """The events of one turn, to its end."""
    events = [connection.recv()]
    while events[-1].type not in ENDS:
        events.append(connection.recv())
    return events


def asked(connection: ResponsesConnection, **fields: Any) -> Response:
    """Run a turn; its Response."""
    connection.response.create(model="m", **fields)
    last: Any = turn(connection)[-1]
    assert last.type == "response.completed", last
    response: Response = last.response
    return response


def told(upstream: ScriptedUpstream, text: str) -> list[str]:
    """What the model was told when the last message was `text`."""
    return [message["content"] for message in upstream.calls_with(text)[0].body["messages"]]


def test_a_turn_is_the_events_of_a_stream_and_is_stored(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, answer("One ", "two."))
    with client.responses.connect() as connection:
        connection.response.create(model="m", input=topic)
        events = turn(connection)
    last: Any = events[-1]
    assert last.response.output_text == "One two."
    sent = [event.model_dump(mode="json", exclude_unset=True) for event in events]
    with RawStream.get(stack.url(1), f"/responses/{last.response.id}/events") as stream:
        assert sent == list(stream.events())
    assert client.responses.retrieve(last.response.id).output_text == "One two."


def test_turns_run_one_after_the_other_in_the_order_they_were_sent(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    with client.responses.connect() as connection:
        for number in range(3):
            connection.response.create(model="m", input=f"{topic} {number}")
        texts = [turn(connection)[-1].response.output_text for _ in range(3)]  # type: ignore[union-attr]
    assert texts == [f"{topic} {number}" for number in range(3)]


def test_a_turn_goes_on_from_the_one_before(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    with client.responses.connect() as connection:
        first = asked(connection, input=f"first {topic}")
        second = asked(connection, input=f"second {topic}", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert told(upstream, f"second {topic}") == [f"first {topic}"] * 2 + [f"second {topic}"]


def test_a_stored_turn_is_gone_on_from_after_a_reconnect_and_over_http(
    client: OpenAI, other: OpenAI, topic: str
) -> None:
    with client.responses.connect() as connection:
        first = asked(connection, input=topic)
    with other.responses.connect() as connection:
        second = asked(connection, input="go on", previous_response_id=first.id)
    third = client.responses.create(model="m", input="and on", previous_response_id=second.id)
    assert third.status == "completed"


def test_the_failure_of_the_model_is_a_failed_response_and_the_connection_lives(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, [Reply(400, b"{}")])
    with client.responses.connect() as connection:
        connection.response.create(model="m", input=topic)
        assert turn(connection)[-1].type == "response.failed"
        assert asked(connection, input="still there").status == "completed"


def test_a_refusal_is_an_error_event_and_the_connection_lives(client: OpenAI) -> None:
    with client.responses.connect() as connection:
        connection.response.create(model="m", input="x", previous_response_id="resp_unknown")
        refused: Any = turn(connection)[-1]
        assert (refused.type, refused.status) == ("error", 400)
        assert refused.error.code == "previous_response_not_found"
        assert refused.error.param == "previous_response_id"
        assert asked(connection, input="still there").status == "completed"


def test_a_turn_without_generation_calls_no_model_and_can_be_gone_on_from(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    with client.responses.connect() as connection:
        ready = asked(connection, input=f"first {topic}", generate=False)
        assert ready.output == []
        assert upstream.calls_with(topic) == []
        asked(connection, input=f"second {topic}", previous_response_id=ready.id)
    assert told(upstream, f"second {topic}") == [f"first {topic}", f"second {topic}"]


def test_a_turn_without_generation_needs_no_input(client: OpenAI) -> None:
    with client.responses.connect() as connection:
        ready = asked(connection, generate=False)
        assert asked(connection, input="hi", previous_response_id=ready.id).output_text == "hi"


def test_steering_is_refused_and_gives_the_input_back(client: OpenAI) -> None:
    with client.responses.connect() as connection:
        connection.response.steer(previous_response_id="resp_1", input="left")
        refused: Any = connection.recv()
    assert refused.type == "response.steer.failed"
    assert refused.error.code == "steering_not_supported"
    assert (refused.steer.input, refused.steer.previous_response_id) == ("left", "resp_1")


@pytest.mark.anyio
async def test_the_asynchronous_client_does_the_same(stack: Stack) -> None:
    async with (
        AsyncOpenAI(base_url=stack.url(), api_key="unused") as client,
        client.responses.connect() as connection,
    ):
        await connection.response.create(model="m", input="hello there")
        async for event in connection:
            if event.type == "response.completed":
                assert event.response.output_text == "hello there"
                return
