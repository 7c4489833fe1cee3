"""Chat Completions in, chunks out: the dialects of vLLM, Ollama, llama.cpp and their like end here."""

from typing import Any, Final

from shared.core.chunks import Chunk, Finish, FinishReason, Reasoning, Refusal, Text, Usage
from shared.upstream import failures
from shared.upstream.json_values import as_count, as_list, as_number, as_object, as_text
from shared.upstream.tool_call_pieces import ToolCallPieces

FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
BROKEN_OFF: Final = frozenset({"abort", "error"})  # vLLM and routers: the model did not come to an end


class ChatChunks:
    """Reads one answer, streamed in pieces or whole; remembers its open tool calls and whether it finished."""

    complete = False  # the usage may follow

    def __init__(self) -> None:
        self._tool_calls = ToolCallPieces()
        self.finished = False

    def read(self, answer: Any) -> list[Chunk]:
        """The chunks in one parsed JSON value; raises UpstreamError on whatever is no Chat Completions answer."""
        answer = as_object(answer)
        if answer.get("error"):
            raise failures.reported(answer["error"])
        chunks: list[Chunk] = []
        if choices := as_list(answer.get("choices")):
            self._read_choice(as_object(choices[0]), chunks)
        if usage := answer.get("usage"):
            chunks.append(_usage(as_object(usage)))
        return chunks

    def _read_choice(self, choice: dict[str, Any], chunks: list[Chunk]) -> None:
        said = as_object(choice.get("delta") or choice.get("message"))
        if reasoning := _reasoning(said):
            chunks.append(Reasoning(as_text(reasoning)))
        if text := as_text(said.get("content")):
            chunks.append(Text(text, _logprobs(choice["logprobs"]) if choice.get("logprobs") else ()))
        if refusal := as_text(said.get("refusal")):
            chunks.append(Refusal(refusal))
        if pieces := said.get("tool_calls"):
            chunks.extend(self._tool_calls.read(pieces))
        elif function := said.get("function_call"):
            chunks.extend(self._tool_calls.read([{"index": 0, "function": function}]))
        if (reason := as_text(choice.get("finish_reason"))) and not self.finished:
            chunks.append(_finish(reason))
            self.finished = True


def _reasoning(said: dict[str, Any]) -> str:
    """The model's reasoning where it is a string; servers that send both fields send the same text twice."""
    for value in (said.get("reasoning_content"), said.get("reasoning")):
        if value and isinstance(value, str):
            return value
    return ""


def _finish(reason: str) -> Finish:
    if reason in BROKEN_OFF:
        raise failures.cut()
    return Finish(FINISH_REASONS.get(reason, "stop"))


def _usage(usage: dict[str, Any]) -> Usage:
    reasoned = as_object(usage.get("completion_tokens_details")).get("reasoning_tokens")
    return Usage(
        input_tokens=as_count(usage.get("prompt_tokens")),
        output_tokens=as_count(usage.get("completion_tokens")),
        cached_tokens=as_count(as_object(usage.get("prompt_tokens_details")).get("cached_tokens")),
        reasoning_tokens=as_count(usage.get("reasoning_tokens") if reasoned is None else reasoned),  # SGLang's is bare
    )


def _logprobs(logprobs: Any) -> tuple[dict[str, Any], ...]:
    """The shape of the Responses API: bytes always a list, alternatives always there."""
    tokens = [as_object(token) for token in as_list(as_object(logprobs).get("content"))]
    return tuple(
        {**_logprob(token), "top_logprobs": [_logprob(as_object(top)) for top in as_list(token.get("top_logprobs"))]}
        for token in tokens
    )


def _logprob(token: dict[str, Any]) -> dict[str, Any]:
    text = as_text(token.get("token"))
    known = [as_count(byte) for byte in as_list(token.get("bytes"))]
    return {
        "token": text,
        "logprob": as_number(token.get("logprob")),
        "bytes": known or list(text.encode(errors="replace")),
    }
