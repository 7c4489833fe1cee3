"""Counting by the tokenizer that some model servers offer, which spares them a run of the model."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.errors import UpstreamError

# Asks the server, at a path relative to its `/v1`; raises UpstreamError.
Ask = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]

# What a server may write into the prompt by rules that its tokenizer is not told of.
_BEYOND_MESSAGES = frozenset({"tools", "reasoning_effort", "response_format", "verbosity"})


async def count(ask: Ask, chat: Mapping[str, Any]) -> int | None:
    """The tokens of a Chat Completions body's prompt; None when no tokenizer here can tell them exactly."""
    if chat.keys() & _BEYOND_MESSAGES or not all(_is_text(message) for message in chat["messages"]):
        return None
    for tokenizer in (_vllm, _llama_cpp):
        try:
            counted = await tokenizer(ask, chat)
        except UpstreamError:
            continue
        if counted:
            return counted
    return None


async def _vllm(ask: Ask, chat: Mapping[str, Any]) -> int | None:
    told = await ask("../tokenize", {"model": chat["model"], "messages": chat["messages"]})
    counted = told.get("count")
    return counted if type(counted) is int else None


async def _llama_cpp(ask: Ask, chat: Mapping[str, Any]) -> int | None:
    written = (await ask("../apply-template", {"messages": chat["messages"]})).get("prompt")
    if not isinstance(written, str):
        return None
    # As its chat endpoint tokenizes: with the tokens that open a text, and marks of roles as the tokens they are.
    told = await ask("../tokenize", {"content": written, "add_special": True, "parse_special": True})
    tokens = told.get("tokens")
    return len(tokens) if isinstance(tokens, list) else None


def _is_text(message: Mapping[str, Any]) -> bool:
    return isinstance(message["content"], str) and "tool_calls" not in message
