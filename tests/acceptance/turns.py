"""What many scenarios share: a model's answer in steps, waiting for a turn to end, an async client."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from openai import AsyncOpenAI, OpenAI
from openai.types.responses import Response

from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Done, Finish, Gate, Say, Step, Tokens

ACTIVE = ("queued", "in_progress")
ROUTES = [
    ("GET", ""),
    ("GET", "?stream=true"),
    ("GET", "/events"),
    ("GET", "/input_items"),
    ("POST", "/cancel"),
    ("DELETE", ""),
]
"""All that can be asked of one response: method, and what follows its id."""


def answer(*steps: Step | str, finish: str = "stop", usage: tuple[int, int] = (5, 7)) -> list[Step]:
    """These pieces, then the finish reason, the usage and `[DONE]`."""
    pieces = [Say(step) if isinstance(step, str) else step for step in steps]
    return [*pieces, Finish(finish), Tokens(*usage), Done()]


def script_gated(upstream: ScriptedUpstream, topic: str, before: str = "First. ", after: str = "Last.") -> None:
    """The model says `before`, waits at the gate named `topic`, and says `after`."""
    upstream.script(topic, answer(before, Gate(topic), after))


def ended(client: OpenAI, response_id: str, seconds: float = 15.0) -> Response:
    """The response, once its end is stored; a cancelled one is called so before, while its output is gathered."""
    eventually(lambda: "ended_at" in _facts(client, response_id), seconds, f"{response_id} to end")
    return client.responses.retrieve(response_id)


def run_async(stack: Stack, scenario: Callable[[AsyncOpenAI], Awaitable[None]]) -> None:
    """Run the scenario on a loop of its own, with the official SDK's async client at the first API process."""

    async def with_client() -> None:
        async with AsyncOpenAI(base_url=stack.url(), api_key="unused", timeout=30, max_retries=0) as client:
            await scenario(client)

    asyncio.run(with_client())


def _facts(client: OpenAI, response_id: str) -> dict[str, Any]:
    stored: Any = client.responses.retrieve(response_id)
    return dict(stored.turnstone)
