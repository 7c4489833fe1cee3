"""A model's way: its upstream, and those that stand in for it before the first token."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from shared import tracing
from shared.core.chunks import Chunk
from shared.errors import UpstreamError
from shared.upstream.base import Kind, Upstream
from shared.upstream.forwarded import Forwarded
from shared.wire.items import Item

T = TypeVar("T")
# Of any other failure, which is the request's fault, the next server would say the same.
_OF_THE_SERVER: Final = frozenset({"server_error", "rate_limit_exceeded"})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Way:
    """An upstream, and what it calls the model."""

    name: str
    upstream: Upstream
    model: str

    def stream(self, request: Mapping[str, Any], items: Sequence[Item]) -> AsyncGenerator[list[Chunk], None]:
        """Have it answer, under its own name for the model."""
        tracing.note(upstream=self.name)
        return self.upstream.stream({**request, "model": self.model}, items)

    async def count_tokens(self, request: Mapping[str, Any], items: Sequence[Item]) -> int:
        """Have it count, under its own name for the model."""
        return await self.upstream.count_tokens({**request, "model": self.model}, items)

    async def forward(self, path: str, body: Mapping[str, Any]) -> Forwarded:
        """Have it answer a request of its own dialect, under its own name for the model."""
        return await self.upstream.forward(path, {**body, "model": self.model})


@dataclass(frozen=True, slots=True)
class Route:
    """The ways of one model, the first one first. All are of one kind, so that any can take what one was asked."""

    ways: Sequence[Way]

    @property
    def kind(self) -> Kind:
        """What its upstreams speak."""
        return self.ways[0].upstream.kind

    def stream(self, request: Mapping[str, Any], items: Sequence[Item]) -> AsyncGenerator[list[Chunk], None]:
        """As `Upstream.stream`; with a single way there is nothing between it and the caller."""
        return self._try_each(request, items) if len(self.ways) > 1 else self.ways[0].stream(request, items)

    async def forward(self, path: str, body: Mapping[str, Any]) -> Forwarded:
        """As `Upstream.forward`, by the first way that answers."""
        return await self._first(lambda way: way.forward(path, body))

    async def count_tokens(self, request: Mapping[str, Any], items: Sequence[Item]) -> int:
        """As `Upstream.count_tokens`, by the first way that answers."""
        return await self._first(lambda way: way.count_tokens(request, items))

    async def _first(self, ask: Callable[[Way], Awaitable[T]]) -> T:
        for way in self.ways[:-1]:
            try:
                return await ask(way)
            except UpstreamError as error:
                if error.code not in _OF_THE_SERVER:
                    raise
                log.warning("upstream_fallback", upstream=way.name, reason=error.message)
        return await ask(self.ways[-1])

    async def _try_each(self, request: Mapping[str, Any], items: Sequence[Item]) -> AsyncGenerator[list[Chunk], None]:
        for way, following in zip(self.ways, [*self.ways[1:], None], strict=True):
            begun = False
            try:
                async with aclosing(way.stream(request, items)) as batches:
                    async for batch in batches:
                        begun = True
                        yield batch
                return
            except UpstreamError as error:
                if following is None or begun or error.code not in _OF_THE_SERVER:
                    raise
                log.warning("upstream_fallback", upstream=way.name, to=following.name, reason=error.message)
