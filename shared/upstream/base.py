"""What every model server looks like from inside, whatever it speaks."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from shared.core.chunks import Chunk


class Upstream(Protocol):
    """A model server. Every failure is an UpstreamError with a public text."""

    def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[list[Chunk], None]:
        """Run a Chat Completions body without its stream fields; each list is what one socket read brought.

        Closing the generator hangs up on the upstream at once: hold it in `contextlib.aclosing`, since a
        consumer cancelled between two lists would otherwise leave the closing to the garbage collector.
        """
        ...

    async def models(self) -> list[dict[str, Any]]:
        """The models it serves, as OpenAI model objects."""
        ...

    async def close(self) -> None:
        """Close its connections, on the loop that used them, once every stream has ended."""
        ...
