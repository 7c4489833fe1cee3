"""The official SDK, sync and async, in all four modes: foreground, stream, background and poll, background stream."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import Response

from tests.acceptance.turns import answer, ended, run_async
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack

TEXT = "Wet, grey and warm."
USAGE = (5, 7)


def test_foreground_returns_the_finished_response(client: OpenAI, weather: str) -> None:
    check_finished(client.responses.create(model="m", input=weather))


def test_foreground_stream_tells_the_text_as_it_comes(client: OpenAI, weather: str) -> None:
    with client.responses.create(model="m", input=weather, stream=True) as stream:
        check_stream(list(stream))


def test_background_answers_at_once_and_is_polled_to_its_end(client: OpenAI, weather: str) -> None:
    accepted = client.responses.create(model="m", input=weather, background=True)
    assert accepted.status == "queued"
    assert accepted.output == []
    check_finished(ended(client, accepted.id))


def test_background_stream_tells_the_text_and_is_stored(client: OpenAI, weather: str) -> None:
    with client.responses.create(model="m", input=weather, background=True, stream=True) as stream:
        finished = check_stream(list(stream))
    check_finished(client.responses.retrieve(finished.id))


def test_async_foreground(stack: Stack, weather: str) -> None:
    async def scenario(client: AsyncOpenAI) -> None:
        check_finished(await client.responses.create(model="m", input=weather))

    run_async(stack, scenario)


def test_async_foreground_stream(stack: Stack, weather: str) -> None:
    async def scenario(client: AsyncOpenAI) -> None:
        check_stream(await collect(await client.responses.create(model="m", input=weather, stream=True)))

    run_async(stack, scenario)


def test_async_background_and_poll(stack: Stack, weather: str) -> None:
    async def scenario(client: AsyncOpenAI) -> None:
        response = await client.responses.create(model="m", input=weather, background=True)
        async with asyncio.timeout(10):
            while response.status in ("queued", "in_progress"):
                response = await client.responses.retrieve(response.id)
        check_finished(response)

    run_async(stack, scenario)


def test_async_background_stream(stack: Stack, weather: str) -> None:
    async def scenario(client: AsyncOpenAI) -> None:
        stream = await client.responses.create(model="m", input=weather, background=True, stream=True)
        finished = check_stream(await collect(stream))
        check_finished(await client.responses.retrieve(finished.id))

    run_async(stack, scenario)


def test_many_async_turns_at_once_each_get_their_own_answer(stack: Stack, topic: str) -> None:
    """S1: no first event is lost, however the worker and the subscriber interleave."""

    async def one(client: AsyncOpenAI, number: int) -> None:
        words = f"{topic} number {number}"
        events = await collect(await client.responses.create(model="m", input=words, background=True, stream=True))
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == words

    async def scenario(client: AsyncOpenAI) -> None:
        await asyncio.gather(*(one(client, number) for number in range(24)))

    run_async(stack, scenario)


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
def test_the_stored_form_of_a_streamed_turn_equals_that_of_an_unstreamed_one(
    client: OpenAI, weather: str, background: bool
) -> None:
    """R1, R2: but for ids and times."""
    with client.responses.create(model="m", input=weather, background=background, stream=True) as stream:
        streamed = list(stream)[-1].response.id
    unstreamed = client.responses.create(model="m", input=weather, background=background)
    assert without_identity(ended(client, streamed)) == without_identity(ended(client, unstreamed.id))


def without_identity(response: Response) -> dict[str, Any]:
    body = response.to_dict(mode="json")
    for name in ("id", "created_at", "completed_at"):
        del body[name]
    for name in ("started_at", "ended_at"):
        del body["turnstone"][name]
    for item in body["output"]:
        del item["id"]
    return body


def check_finished(response: Response) -> None:
    assert response.status == "completed"
    assert response.output_text == TEXT
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == USAGE


def check_stream(events: list[Any]) -> Response:
    assert events[0].type == "response.created"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert events[-1].type == "response.completed"
    finished: Response = events[-1].response
    check_finished(finished)
    return finished


async def collect(stream: AsyncIterator[Any]) -> list[Any]:
    return [event async for event in stream]


@pytest.fixture
def weather(upstream: ScriptedUpstream, topic: str) -> str:
    """A question about the weather, and the model's answer to it in several pieces."""
    upstream.script(topic, answer("Wet, ", "grey ", "and warm.", usage=USAGE))
    return f"How is the weather? {topic}"
