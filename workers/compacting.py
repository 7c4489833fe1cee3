"""A model's way that first puts a summary in the place of what came before, for turns that ask for it."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from shared.core import compaction
from shared.core.chunks import Chunk, Finish, ItemBegun, ItemEnded, Usage
from shared.upstream.route import Route
from shared.upstream.summary import Summary, summarize
from shared.wire.items import Item

# The compaction's place among the items of a native server, which count theirs from 0.
_POSITION = -1


class Compacting:
    """Streams as `Route` does. `seal` makes a compaction's content of a summary.

    `threshold`: from how many tokens on; None when the turn asks for its compaction and nothing else.
    """

    def __init__(self, route: Route, seal: Callable[[str], str], threshold: int | None) -> None:
        self._route = route
        self._seal = seal
        self._threshold = threshold

    async def stream(self, request: Mapping[str, Any], items: Sequence[Item]) -> AsyncGenerator[list[Chunk], None]:
        """The compaction, if there is to be one, and the answer to what is left."""
        spent = Usage(0, 0)
        if await self._is_due(request, items):
            summary = await summarize(self._route, request, items)
            yield self._told(summary)
            items, spent = compaction.compacted(items, summary.text), summary.usage
        if self._threshold is None:
            yield [spent, Finish("stop")]
            return
        async with aclosing(self._route.stream(request, items)) as answer:
            async for batch in answer:
                yield [chunk.plus(spent) if isinstance(chunk, Usage) else chunk for chunk in batch]

    async def _is_due(self, request: Mapping[str, Any], items: Sequence[Item]) -> bool:
        if self._threshold is None:
            return True
        if not compaction.can_shorten(items):
            return False
        return await self._route.count_tokens(request, items) > self._threshold

    def _told(self, summary: Summary) -> list[Chunk]:
        item = {"type": "compaction", "encrypted_content": self._seal(summary.text)}
        return [ItemBegun(_POSITION, item), ItemEnded(_POSITION, item)]


def route_for(request: Mapping[str, Any], route: Route, seal: Callable[[str], str]) -> Route | Compacting:
    """The way of a turn: the model's own, unless the turn is to be compacted."""
    if request.get("compact"):
        return Compacting(route, seal, None)
    if wanted := request.get("context_management"):
        return Compacting(route, seal, wanted[0]["compact_threshold"])
    return route
