"""Calling an upstream from a sync test: the client under test, and what a caller of it got."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from contextlib import aclosing
from typing import Any

from shared.core.chunks import Chunk
from shared.errors import UpstreamError
from shared.upstream.base import Upstream
from shared.upstream.chat_completions import ChatCompletions
from shared.upstream.registry import Upstreams
from shared.wire.items import Item
from tests.scripted_upstream import ScriptedUpstream


def client(server: ScriptedUpstream, **options: Any) -> ChatCompletions:
    timeouts = {"connect_seconds": 5.0, "first_byte_seconds": 5.0, "idle_seconds": 5.0, "attempts": 3}
    return ChatCompletions(base_url=server.base_url, **{**timeouts, **options})


def asking(text: str, **request: Any) -> tuple[dict[str, Any], list[Item]]:
    """A turn's request and items: one user message of this text."""
    message: Item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return {"model": "m"} | request, [message]


class Outcome:
    """What a caller of `stream` got: the chunks, and the error if there was one."""

    def __init__(self) -> None:
        self.batches: list[list[Chunk]] = []
        self.error: UpstreamError | None = None

    @property
    def chunks(self) -> list[Chunk]:
        return [chunk for batch in self.batches for chunk in batch]


def text_of_file(table: Mapping[str, Any]) -> str:
    """One `[[upstream]]` of an upstreams file: JSON values are TOML's as well, but for objects."""

    def value(of: Any) -> str:
        if isinstance(of, Mapping):
            return "{" + ", ".join(f"{json.dumps(key)} = {value(one)}" for key, one in of.items()) + "}"
        return json.dumps(of)

    return "\n".join(["[[upstream]]", *(f"{key} = {value(one)}" for key, one in table.items()), ""])


def run(upstream: Upstream | Upstreams, asked: tuple[dict[str, Any], list[Item]]) -> Outcome:
    outcome = Outcome()
    way = upstream.of(asked[0]["model"]) if isinstance(upstream, Upstreams) else upstream

    async def collect() -> None:
        try:
            async with aclosing(way.stream(*asked)) as batches:
                async for batch in batches:
                    outcome.batches.append(batch)
        except UpstreamError as error:
            outcome.error = error
        finally:
            await upstream.close()

    asyncio.run(asyncio.wait_for(collect(), 30))
    return outcome


def with_closing(upstream: Upstream | Upstreams, work: Coroutine[Any, Any, Any]) -> Any:
    async def guarded() -> Any:
        try:
            return await work
        finally:
            await upstream.close()

    return asyncio.run(asyncio.wait_for(guarded(), 30))
