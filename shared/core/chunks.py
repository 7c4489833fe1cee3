"""What an upstream says, piece by piece, in no upstream's dialect: the assembly's input."""

from collections.abc import Sequence
from operator import add
from typing import Any, Literal, NamedTuple

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]


class Text(NamedTuple):
    """More of the answer's text; `logprobs` in the shape of the Responses API."""

    text: str
    logprobs: tuple[dict[str, Any], ...] = ()


class Refusal(NamedTuple):
    """More of a refusal."""

    text: str


class Reasoning(NamedTuple):
    """More of the model's reasoning text."""

    text: str


class ToolCall(NamedTuple):
    """More of one function call; `position` tells parallel calls apart, id and name come with the first piece."""

    position: int
    call_id: str | None = None
    name: str | None = None
    arguments: str = ""


class ItemBegun(NamedTuple):
    """An item of a native Responses server as it began, under no id yet; `position` tells it from others under way."""

    position: int
    item: dict[str, Any]


class ItemEvent(NamedTuple):
    """An event within such an item: its type, and its fields less those that say where it belongs."""

    position: int
    type: str
    fields: dict[str, Any]


class ItemEnded(NamedTuple):
    """Such an item as it ended."""

    position: int
    item: dict[str, Any]


class Finish(NamedTuple):
    """Why the model stopped; the upstream's own words are mapped to these four."""

    reason: FinishReason


class Usage(NamedTuple):
    """Tokens as the upstream counted them; the last one seen stands."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def plus(self, other: "Usage") -> "Usage":
        """What both took."""
        return Usage(*map(add, self, other))


ItemChunk = ItemBegun | ItemEvent | ItemEnded
Chunk = Text | Refusal | Reasoning | ToolCall | ItemChunk | Finish | Usage


def joined(chunks: Sequence[Chunk]) -> Sequence[Chunk]:
    """The same chunks, with each run of plain text as one.

    A model faster than its readers has many pieces in one read: joined, they cost one event instead of many.
    """
    if len(chunks) < 2:  # a model that takes its time; nothing to do
        return chunks
    result: list[Chunk] = []
    run: list[str] = []
    for chunk in chunks:
        if type(chunk) is Text and not chunk.logprobs:
            run.append(chunk.text)
            continue
        if run:
            result.append(Text("".join(run)))
            run = []
        result.append(chunk)
    if run:
        result.append(Text("".join(run)))
    return result
