"""Stored items as the request to a native Responses server, which is told everything and keeps nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.core.prompt import CALLS, OUTPUTS, match_calls
from shared.wire.items import SEALED_HERE, Item

# What goes over as it is. Everything about state, queues and owners stays here.
_FORWARDED = (
    "model",
    "instructions",
    "temperature",
    "top_p",
    "top_logprobs",
    "max_output_tokens",
    "max_tool_calls",
    "parallel_tool_calls",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "include",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
)
# Ids of ours mean nothing over there, where these types do without; others name one another by them.
_WITHOUT_ID = frozenset({"message", "reasoning", *CALLS, *OUTPUTS})
# Here every item has a status; over there these types know none, or none as input.
_WITHOUT_STATUS = _WITHOUT_ID - {"function_call"} | {
    "compaction",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_list_tools",
}


def native_request(request: Mapping[str, Any], items: Sequence[Item]) -> dict[str, Any]:
    """The request with the whole context as its input; raises InvalidRequest when calls and outputs do not match."""
    body = {name: request[name] for name in _FORWARDED if name in request}
    return body | {"input": native_input(items), "store": False}


def native_input(items: Sequence[Item]) -> list[Item]:
    """The items, less calls that were cut short, and reasoning that only who made it could read."""
    answers = match_calls(items)
    return [_told(item) for index, item in enumerate(items) if index in answers or _is_told(item)]


def _is_told(item: Item) -> bool:
    if item["type"] == "reasoning":
        sealed = item.get("encrypted_content")
        return isinstance(sealed, str) and bool(sealed) and not sealed.startswith(SEALED_HERE)
    return item["type"] not in CALLS


def _told(item: Item) -> Item:
    told = dict(item)
    if item["type"] in _WITHOUT_ID:
        told.pop("id", None)
    if item["type"] in _WITHOUT_STATUS:
        told.pop("status", None)
    if item["type"] == "message":
        told["content"] = [_part(part, item["role"]) for part in item["content"]]
    if item["type"] == "reasoning":
        told.pop("content", None)
    return told


def _part(part: Any, role: str) -> Any:
    if isinstance(part, dict) and part.get("type") == "text":
        return part | {"type": "output_text" if role == "assistant" else "input_text"}
    return part
