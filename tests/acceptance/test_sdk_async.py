"""The official SDK's async client beyond creating responses: helpers, pagers, conversations."""

import pytest
from openai import AsyncOpenAI, NotFoundError
from pydantic import BaseModel

from tests.acceptance.turns import answer, run_async, script_gated
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack


class Place(BaseModel):
    city: str


def test_the_stream_helper_gives_the_final_response(stack: Stack, topic: str) -> None:
    async def scenario(client: AsyncOpenAI) -> None:
        async with client.responses.stream(model="m", input=topic) as stream:
            said = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            final = await stream.get_final_response()
        assert "".join(said) == topic == final.output_text

    run_async(stack, scenario)


def test_parse_gives_an_object_of_the_wanted_form(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer('{"city": "Trier"}'))

    async def scenario(client: AsyncOpenAI) -> None:
        parsed = await client.responses.parse(model="m", input=topic, text_format=Place)
        assert parsed.output_parsed == Place(city="Trier")

    run_async(stack, scenario)


def test_input_items_page_through_all_by_themselves(stack: Stack, topic: str) -> None:
    """C3."""
    texts = [f"{number} {topic}" for number in range(25)]

    async def scenario(client: AsyncOpenAI) -> None:
        turn = await client.responses.create(model="m", input=[{"role": "user", "content": text} for text in texts])
        pages = client.responses.input_items.list(turn.id, limit=10, order="asc")
        assert [item.content[0].text async for item in pages] == texts

    run_async(stack, scenario)


def test_a_conversation_is_made_gone_on_with_paged_through_and_deleted(stack: Stack, topic: str) -> None:
    async def scenario(client: AsyncOpenAI) -> None:
        conversation = await client.conversations.create(metadata={"topic": topic})
        for number in range(3):
            await client.responses.create(model="m", input=f"{number} {topic}", conversation=conversation.id)
        items = client.conversations.items.list(conversation.id, limit=2, order="asc")
        said = [(item.role, item.content[0].text) async for item in items]
        assert said == [(role, f"{number} {topic}") for number in range(3) for role in ("user", "assistant")]
        updated = await client.conversations.update(conversation.id, metadata={})
        assert (updated.id, updated.metadata) == (conversation.id, {})
        assert (await client.conversations.delete(conversation.id)).deleted
        with pytest.raises(NotFoundError):
            await client.conversations.retrieve(conversation.id)

    run_async(stack, scenario)


def test_cancel_returns_the_cancelled_response(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)

    async def scenario(client: AsyncOpenAI) -> None:
        turn = await client.responses.create(model="m", input=topic, background=True)
        assert (await client.responses.cancel(turn.id)).status == "cancelled"

    run_async(stack, scenario)


def test_delete_returns_nothing_and_then_there_is_nothing(stack: Stack, topic: str) -> None:
    async def scenario(client: AsyncOpenAI) -> None:
        turn = await client.responses.create(model="m", input=topic)
        await client.responses.delete(turn.id)
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(turn.id)

    run_async(stack, scenario)
