"""What every model server looks like from inside, whatever it speaks."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal, Protocol

from shared.core.chunks import Chunk
from shared.upstream.forwarded import Forwarded
from shared.wire.items import Item

Kind = Literal["chat_completions", "responses"]


class Upstream(Protocol):
    """A model server. Every failure is an UpstreamError with a public text."""

    @property
    def kind(self) -> Kind:
        """What it speaks."""
        ...

    def stream(self, request: Mapping[str, Any], items: Sequence[Item]) -> AsyncGenerator[list[Chunk], None]:
        """Have the model answer a turn's request over `items`; each list is what one socket read brought.

        Raises InvalidRequest for items that cannot be told in its dialect. Closing the generator hangs up at once:
        hold it in `contextlib.aclosing`, since a consumer cancelled between two lists would otherwise leave the
        closing to the garbage collector.
        """
        ...

    async def forward(self, path: str, body: Mapping[str, Any]) -> Forwarded:
        """Post `body`, of the server's own dialect, to `path`; raises UpstreamError unless an answer has begun."""
        ...

    async def count_tokens(self, request: Mapping[str, Any], items: Sequence[Item]) -> int:
        """How many tokens the model would read in such a turn: the server's own count. Raises as `stream` does."""
        ...

    async def models(self) -> list[dict[str, Any]]:
        """The models it serves, as OpenAI model objects."""
        ...

    async def close(self) -> None:
        """Close its connections, on the loop that used them, once every stream has ended."""
        ...
