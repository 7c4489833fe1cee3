"""Stored items as a Chat Completions request.

| item                    | message                                                           |
|-------------------------|-------------------------------------------------------------------|
| message                 | of its role; `developer` becomes `system`                         |
| function_call           | `tool_calls` of an assistant message                              |
| custom_tool_call        | the same, its free text as the one argument `input`               |
| function_call_output    | `tool`, right after the message that holds its call               |
| custom_tool_call_output | the same                                                          |
| reasoning               | none: the dialect has no place for it in history                  |
| any other               | InvalidRequest: it cannot be told, and is not left out in silence |

Content parts: texts and refusals as `text`, input_image as `image_url`, input_file as `file`; any other is refused.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from shared.core.told_tools import told_name, told_tools
from shared.errors import InvalidRequest
from shared.wire.items import Item

Messages = list[dict[str, Any]]

# Request field → chat field, where the value goes over unchanged.
_SAME = {
    "model": "model",
    "temperature": "temperature",
    "top_p": "top_p",
    "max_output_tokens": "max_tokens",
    "user": "user",
    "safety_identifier": "safety_identifier",
    "prompt_cache_key": "prompt_cache_key",
}


_DETAILS = {"original": "high"}  # as much as the dialect knows
_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_TEXTS = ("input_text", "output_text", "text")  # compared, not hashed: a stored type may be anything
CALLS = frozenset(("function_call", "custom_tool_call"))
OUTPUTS = frozenset(("function_call_output", "custom_tool_call_output"))
SENDABLE = frozenset({"message", "reasoning", *CALLS, *OUTPUTS})


def chat_request(request: Mapping[str, Any], items: Sequence[Item]) -> dict[str, Any]:
    """The upstream's request body; raises InvalidRequest when calls and outputs do not match."""
    body = {chat: request[ours] for ours, chat in _SAME.items() if ours in request}
    body["messages"] = messages(request.get("instructions"), items)
    return body | _tool_fields(request) | _text_fields(request) | _reasoning_fields(request) | _logprob_fields(request)


def messages(instructions: str | None, items: Sequence[Item]) -> Messages:
    """Chat messages, in the order of the items; raises InvalidRequest as `match_calls` does."""
    refuse_unsendable({item["type"] for item in items})
    answers = match_calls(items)
    written: Messages = [{"role": "system", "content": instructions}] if instructions else []
    parallel: list[tuple[Item, Item]] = []
    for index, item in enumerate(items):
        if index in answers:
            parallel.append((item, answers[index]))
        elif item["type"] == "message" or item["type"] in OUTPUTS:
            _write_calls(written, parallel)
            parallel = []
        if item["type"] == "message":
            written.append(_message(item))
    _write_calls(written, parallel)
    return written


def refuse_unsendable(types: Iterable[str], param: str = "input") -> None:
    """Raise InvalidRequest if there is an item that a model server cannot be told of; `param` is where it came from."""
    for kind in sorted(set(types) - SENDABLE):
        raise InvalidRequest(f"Items of type '{kind}' cannot be sent to the model server.", param, "unsupported_item")


def refuse_untellable(item: Item, param: str) -> None:
    """Raise InvalidRequest, naming `param`, for an item that cannot be told: by its type, or by what it holds."""
    refuse_unsendable([item["type"]], param)
    try:
        if item["type"] == "message":
            _message(item)
        elif item["type"] in OUTPUTS and not isinstance(item["output"], str):
            _content(item["output"])
    except InvalidRequest as refused:
        raise InvalidRequest(refused.message, param, "unsupported_item") from None


def match_calls(items: Sequence[Item]) -> dict[int, Item]:
    """Each answered call's output, by the call's index; raises InvalidRequest for any call or output left alone.

    A call that was cut short may stay unanswered: the model never finished asking.
    """
    answers = pair_calls(items)
    for index, item in enumerate(items):
        if item["type"] in CALLS and index not in answers and item["status"] == "completed":
            raise InvalidRequest(f"No tool output found for function call {item['call_id']}.", "input")
    return {call: items[output] for call, output in answers.items()}


def pair_calls(items: Sequence[Item]) -> dict[int, int]:
    """The index of each answered call's output; raises InvalidRequest for an output without its call.

    Some model servers use a call_id again in a later turn: its calls and outputs are matched in their order.
    """
    waiting: defaultdict[str, deque[int]] = defaultdict(deque)
    for index, item in enumerate(items):
        if item["type"] in CALLS:
            waiting[item["call_id"]].append(index)
    return {
        _take_call(waiting, item.get("call_id")): index for index, item in enumerate(items) if item["type"] in OUTPUTS
    }


def _take_call(waiting: dict[str, deque[int]], call_id: str | None) -> int:
    if call_id is None or not waiting[call_id]:
        raise InvalidRequest(f"No tool call found for function call output with call_id {call_id}.", "input")
    return waiting[call_id].popleft()


def _write_calls(written: Messages, answered: list[tuple[Item, Item]]) -> None:
    if not answered:
        return
    tool_calls = [_call(call) for call, _ in answered]
    if written and written[-1]["role"] == "assistant":
        written[-1]["tool_calls"] = tool_calls
    else:
        written.append({"role": "assistant", "content": None, "tool_calls": tool_calls})
    for call, answer in answered:
        output = answer["output"]
        content = output if isinstance(output, str) else _content(output)
        written.append({"role": "tool", "tool_call_id": call["call_id"], "content": content})


def _call(item: Item) -> dict[str, Any]:
    custom = item["type"] == "custom_tool_call"
    arguments = orjson.dumps({"input": item["input"]}).decode() if custom else item["arguments"]
    name = told_name(item["name"], item.get("namespace"))
    return {"id": item["call_id"], "type": "function", "function": {"name": name, "arguments": arguments}}


def _message(item: Item) -> dict[str, Any]:
    role = _ROLES.get(item["role"])
    if role is None:
        raise InvalidRequest(f"Messages of role '{item['role']}' cannot be sent to the model server.", "input")
    return {"role": role, "content": _content(item["content"])}


def _content(parts: list[Any]) -> str | list[dict[str, Any]]:
    if all(map(_is_text, parts)):
        return "".join([part["text"] for part in parts])
    written = [_part(part) for part in parts]
    if all(part["type"] == "text" for part in written):
        return "".join(part["text"] for part in written)
    return written


def _is_text(part: Any) -> bool:
    """Nearly all parts are: told apart first, since the cases of `_part` cost a microsecond each."""
    return isinstance(part, dict) and part.get("type") in _TEXTS and isinstance(part.get("text"), str)


def _part(part: Any) -> dict[str, Any]:
    # A conversation keeps parts as they came: an image may be there by a file's id alone, a text may lack its text.
    match part:
        case {"type": "input_image", "image_url": str(url)}:
            detail = part.get("detail")
            told = {"detail": _DETAILS.get(detail, detail)} if detail and isinstance(detail, str) else {}
            return {"type": "image_url", "image_url": {"url": url} | told}
        case {"type": "input_file", "file_data": str()}:
            return {"type": "file", "file": {key: part[key] for key in ("filename", "file_data") if part.get(key)}}
        case {"type": "refusal", "refusal": str(text)} | {
            "type": "input_text" | "output_text" | "text",
            "text": str(text),
        }:
            return {"type": "text", "text": text}
        case {"type": str(kind)}:
            raise InvalidRequest(f"Content of type '{kind[:64]}' cannot be sent to the model server as it is.", "input")
    raise InvalidRequest("Content without a type cannot be sent to the model server.", "input")


def _tool_fields(request: Mapping[str, Any]) -> dict[str, Any]:
    choice = request.get("tool_choice", "auto")
    told = list(told_tools(request.get("tools", [])))
    if isinstance(choice, dict) and choice["type"] == "allowed_tools":
        told = [tool for tool in told if any(map(tool.is_meant, choice["tools"]))]
        choice = choice["mode"]
    if not told:
        return {}
    if isinstance(choice, dict):
        meant = next(tool for tool in told if tool.is_meant(choice))
        choice = {"type": "function", "function": {"name": meant.name}}
    fields = {"tools": [tool.function() for tool in told], "tool_choice": choice}
    if "parallel_tool_calls" in request:
        fields["parallel_tool_calls"] = request["parallel_tool_calls"]
    return fields


def _text_fields(request: Mapping[str, Any]) -> dict[str, Any]:
    text = request.get("text", {})
    form = text.get("format", {})
    fields = {"verbosity": text["verbosity"]} if "verbosity" in text else {}
    match form.get("type"):
        case "json_object":
            return fields | {"response_format": {"type": "json_object"}}
        case "json_schema":
            schema = {key: form[key] for key in ("name", "description", "schema", "strict") if key in form}
            return fields | {"response_format": {"type": "json_schema", "json_schema": schema}}
        case _:
            return fields


def _reasoning_fields(request: Mapping[str, Any]) -> dict[str, Any]:
    effort = request.get("reasoning", {}).get("effort")
    return {"reasoning_effort": effort} if effort else {}


def _logprob_fields(request: Mapping[str, Any]) -> dict[str, Any]:
    if "message.output_text.logprobs" not in request.get("include", []):
        return {}
    return {"logprobs": True, "top_logprobs": request.get("top_logprobs", 0)}
