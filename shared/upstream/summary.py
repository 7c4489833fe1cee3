"""Having a model summarize what it was told."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from shared.core.chunks import Chunk, Finish, ItemEnded, Text, Usage
from shared.core.compaction import summary_items, summary_request
from shared.upstream import failures
from shared.upstream.base import Upstream
from shared.upstream.route import Route
from shared.wire.items import Item


class Summary(NamedTuple):
    """A model's summary, and what it took."""

    text: str
    usage: Usage


async def summarize(upstream: Upstream | Route, request: Mapping[str, Any], items: Sequence[Item]) -> Summary:
    """The summary of `items` by the model of `request`; raises UpstreamError, also for one that is cut short."""
    chunks: list[Chunk] = []
    async with aclosing(upstream.stream(summary_request(request), summary_items(items))) as answer:
        async for batch in answer:
            chunks += batch
    text = "".join(map(_said, chunks)).strip()
    if not text or Finish("stop") not in chunks:
        raise failures.cut()
    usages = [chunk for chunk in chunks if isinstance(chunk, Usage)]
    return Summary(text, usages[-1] if usages else Usage(0, 0))


def _said(chunk: Chunk) -> str:
    """The text in a chunk, or in the message that a native Responses server ended by it."""
    if isinstance(chunk, Text):
        return chunk.text
    parts = chunk.item.get("content", ()) if isinstance(chunk, ItemEnded) and chunk.item["type"] == "message" else ()
    return "".join(part["text"] for part in parts if part["type"] == "output_text")
