"""What a scripted upstream can be told to do, step by step."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Say:
    """A piece of text."""

    text: str


@dataclass(frozen=True)
class Think:
    """A piece of reasoning."""

    text: str


@dataclass(frozen=True)
class ToolPiece:
    """A piece of a tool call; id and name belong in the first."""

    arguments: str = ""
    index: int = 0
    id: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Finish:
    """The finish reason."""

    reason: str = "stop"


@dataclass(frozen=True)
class Tokens:
    """The usage, in a last chunk without choices."""

    prompt: int
    completion: int


@dataclass(frozen=True)
class Raw:
    """Bytes as they are; sliced, each slice is a write of its own."""

    data: bytes
    slice_bytes: int | None = None


@dataclass(frozen=True)
class Gate:
    """Wait until the test opens the gate of this name."""

    name: str


@dataclass(frozen=True)
class Pause:
    """Be slow: send nothing for so long."""

    seconds: float


@dataclass(frozen=True)
class Stall:
    """Send nothing more, for ever."""


@dataclass(frozen=True)
class Cut:
    """Drop the connection: after what was sent has left, or with a reset that may overtake it."""

    reset: bool = False


@dataclass(frozen=True)
class Reply:
    """Answer with this instead of a stream; only as the first step, or after gates."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Done:
    """The `[DONE]` line, which is never sent unasked."""


Step = Say | Think | ToolPiece | Finish | Tokens | Raw | Gate | Pause | Stall | Cut | Reply | Done


def event_of(step: Step) -> bytes:
    """The step as one server-sent event, in the dialect of vLLM."""
    match step:
        case Done():
            return b"data: [DONE]\n\n"
        case Tokens(prompt, completion):
            usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
            return _chunk([], usage=usage)
        case Finish(reason):
            return _chunk([{"index": 0, "delta": {}, "finish_reason": reason}])
        case Say(text):
            delta: dict[str, Any] = {"content": text}
        case Think(text):
            delta = {"reasoning_content": text}
        case ToolPiece():
            delta = {"tool_calls": [_tool_piece(step)]}
        case _:
            raise TypeError(f"{step} is not an event")
    return _chunk([{"index": 0, "delta": delta, "finish_reason": None}])


def _chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
    head = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    return b"data: " + json.dumps({**head, "choices": choices, **more}).encode() + b"\n\n"


def _tool_piece(piece: ToolPiece) -> dict[str, Any]:
    first = {"id": piece.id, "type": "function"} if piece.id else {}
    name = {"name": piece.name} if piece.name else {}
    return {"index": piece.index, **first, "function": {**name, "arguments": piece.arguments}}
