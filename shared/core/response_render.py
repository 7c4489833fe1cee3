"""The one renderer of the Response object and of the lifecycle events, for API and workers alike."""

from typing import Any

from shared.core.service_tier import tier_of
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.wire import response as wire
from shared.wire.items import Item
from shared.wire.response import Event, ResponseBody

_TEXT_FORMAT = {"type": "text"}


def render(turn: Turn, status: Status) -> ResponseBody:
    """The Response at `status`, without output or outcome.

    Every key that some client wants non-null has a value; `user` alone is left out when unset.
    """
    request = turn.request
    body: ResponseBody = {
        "id": turn.id,
        "object": "response",
        "created_at": turn.created_at,
        "completed_at": None,
        "status": status.value,
        "background": turn.background,
        "store": turn.store,
        "error": None,
        "incomplete_details": None,
        "model": request["model"],
        "previous_response_id": turn.previous_response_id,
        "conversation": {"id": turn.conversation_id} if turn.conversation_id else None,
        "instructions": request.get("instructions"),
        "output": [],
        "tools": [_echo_tool(tool) for tool in _or(request, "tools", [])],
        "tool_choice": _or(request, "tool_choice", "auto"),
        "truncation": _or(request, "truncation", "disabled"),
        "parallel_tool_calls": _or(request, "parallel_tool_calls", True),
        "text": _echo_text(request),
        "temperature": _or(request, "temperature", 1.0),
        "top_p": _or(request, "top_p", 1.0),
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "top_logprobs": _or(request, "top_logprobs", 0),
        "reasoning": {"effort": None, "summary": None} | (request.get("reasoning") or {}),
        "service_tier": _echo_tier(request),
        "metadata": _or(request, "metadata", {}),
        "max_output_tokens": request.get("max_output_tokens"),
        "max_tool_calls": request.get("max_tool_calls"),
        "safety_identifier": request.get("safety_identifier"),
        "prompt_cache_key": request.get("prompt_cache_key"),
        "usage": None,
        "turnstone": {"ignored": list(turn.ignored)},
    }
    if request.get("user") is not None:
        body["user"] = request["user"]
    return body


def render_current(turn: Turn) -> ResponseBody:
    """The Response of a turn that has not ended, as a poll sees it; a cancel shows as soon as it is decided."""
    status = Status.CANCELLED if turn.ending == "cancelled" else turn.status
    body = render(turn, status)
    body["turnstone"] |= {"attempts": turn.attempts, "started_at": turn.started_at}
    return body


def render_ended(base: ResponseBody, output: list[Item], outcome: Outcome) -> ResponseBody:
    """The Response at its end; `completed_at` is set for completed turns only."""
    completed = outcome.status is Status.COMPLETED
    reason = outcome.incomplete_reason
    return base | {
        "status": outcome.status.value,
        "completed_at": int(outcome.at) if completed else None,
        "error": outcome.error,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": outcome.usage,
        "turnstone": base["turnstone"] | outcome.facts,
    }


def lifecycle_events(turn: Turn) -> list[Event]:
    """created, queued (background only) and in_progress: made from the row, so equal in every attempt and process."""
    first = Status.QUEUED if turn.background else Status.IN_PROGRESS
    steps = [(wire.CREATED, first)]
    if turn.background:
        steps.append((wire.QUEUED, Status.QUEUED))
    steps.append((wire.IN_PROGRESS, Status.IN_PROGRESS))
    return [
        {"type": kind, "sequence_number": number, "response": render(turn, status)}
        for number, (kind, status) in enumerate(steps)
    ]


def usage_body(input_tokens: int, output_tokens: int, cached_tokens: int, reasoning_tokens: int) -> dict[str, Any]:
    """Token counts in the shape of the wire."""
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens, "cache_write_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": input_tokens + output_tokens,
    }


def _or(request: dict[str, Any], name: str, default: Any) -> Any:
    value = request.get(name)
    return default if value is None else value


def _echo_tool(tool: dict[str, Any]) -> dict[str, Any]:
    # Open Responses wants these keys present on function tools, null or not.
    return ({"description": None, "parameters": None, "strict": None} if tool["type"] == "function" else {}) | tool


def _echo_text(request: dict[str, Any]) -> dict[str, Any]:
    text = request.get("text") or {}
    return {"format": text.get("format") or _TEXT_FORMAT, "verbosity": text.get("verbosity") or "medium"}


def _echo_tier(request: dict[str, Any]) -> str:
    return tier_of(request.get("service_tier") or "auto").value
