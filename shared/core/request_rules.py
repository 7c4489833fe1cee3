"""What an accepted request must obey beyond its shape, and what of it is set aside."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from shared.core.input_items import invalid_field
from shared.errors import InvalidRequest
from shared.wire.requests import IGNORED_FIELDS, UNSUPPORTED_FIELDS, CreateResponse, FunctionTool, Strict

# Each unknown name is compared with every known one, which costs; no client sends more than a handful.
MAX_UNKNOWN_FIELDS = 100

# Values of `include`: whether a Chat Completions upstream can give what they ask for.
_INCLUDES = {
    "message.output_text.logprobs": True,
    "message.input_image.image_url": True,
    "code_interpreter_call.outputs": False,
    "computer_call_output.output.image_url": False,
    "file_search_call.results": False,
    "reasoning.encrypted_content": False,
    "web_search_call.action.sources": False,
    "web_search_call.results": False,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do with fields and tools that cannot be honoured: set them aside, or answer 400."""

    reject_unknown_fields: bool = False
    reject_unsupported_tools: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that may be stored: the fields that were set, less `input`, and the names set aside."""

    request: dict[str, Any]
    ignored: tuple[str, ...]


def accept(body: CreateResponse, policy: Policy, *, input_required: bool = True) -> Accepted:
    """Apply every rule; raises InvalidRequest naming the field."""
    _require(body, input_required)
    ignored = _set_aside_fields(body, policy)
    _check_text_format(body)
    left_out = _includes(body)
    tools, hosted = _tools(body, policy)
    _check_tool_choice(body, tools)
    request = body.model_dump(by_alias=True, exclude_none=True, exclude={"input", *ignored, "stream_options", "tools"})
    if tools:
        request["tools"] = tools
    return Accepted(request, tuple(ignored + left_out + hosted))


def _require(body: CreateResponse, input_required: bool) -> None:
    if body.model is None:
        raise InvalidRequest("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    nothing = body.input in (None, []) and body.previous_response_id is None and body.conversation is None
    if nothing and input_required:
        raise InvalidRequest("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if body.previous_response_id is not None and body.conversation is not None:
        raise InvalidRequest(
            "'previous_response_id' cannot be used together with 'conversation'.",
            "previous_response_id",
            "mutually_exclusive_parameters",
        )


def _set_aside_fields(body: CreateResponse, policy: Policy) -> list[str]:
    """The names that are not honoured; those inside an object are dotted: `reasoning.mode`."""
    ignored: list[str] = []
    for prefix, part in _objects(body):
        extra = sorted(name for name, value in (part.model_extra or {}).items() if value is not None)
        if len(extra) > MAX_UNKNOWN_FIELDS:
            raise InvalidRequest(f"More than {MAX_UNKNOWN_FIELDS} unknown parameters.", code="unknown_parameter")
        known = [prefix + (field.alias or name) for name, field in type(part).model_fields.items()]
        for name in extra:
            _judge(prefix + name, known if prefix else [*known, *UNSUPPORTED_FIELDS, *IGNORED_FIELDS], policy)
        ignored += [prefix + name for name in extra]
    return ignored


def _objects(part: Strict, prefix: str = "") -> Iterator[tuple[str, Strict]]:
    """The body and the objects in it whose fields are known, each with the path before its names."""
    yield prefix, part
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Strict):
            yield from _objects(value, f"{prefix}{name}.")


def _judge(name: str, known: list[str], policy: Policy) -> None:
    if name in UNSUPPORTED_FIELDS:
        raise _unsupported(name, f"Unsupported parameter: '{name}' is not available on this server.")
    if name in IGNORED_FIELDS:
        return
    shown = name[:64]
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.85) if len(name) <= 64 else []
    if near or policy.reject_unknown_fields:
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidRequest(f"Unknown parameter: '{shown}'.{hint}", shown, "unknown_parameter")


def _check_text_format(body: CreateResponse) -> None:
    form = body.text.format if body.text else None
    if form and form.type == "json_schema":
        for key, value in (("name", form.name), ("schema", form.schema_)):
            if value is None:
                where = f"text.format.{key}"
                raise InvalidRequest(f"Missing required parameter: '{where}'.", where, "missing_required_parameter")


def _includes(body: CreateResponse) -> list[str]:
    """The asked-for extras that are left out."""
    for index, name in enumerate(body.include or []):
        if name not in _INCLUDES:
            where = f"include[{index}]"
            allowed = ", ".join(f"'{one}'" for one in sorted(_INCLUDES))
            raise InvalidRequest(f"Invalid value for '{where}'. Supported values: {allowed}.", where, "invalid_value")
    if body.top_logprobs and "message.output_text.logprobs" not in (body.include or []):
        raise InvalidRequest(
            "'top_logprobs' needs 'message.output_text.logprobs' in 'include'.", "top_logprobs", "invalid_value"
        )
    return [f"include:{name}" for name in body.include or [] if not _INCLUDES[name]]


def _tools(body: CreateResponse, policy: Policy) -> tuple[list[dict[str, Any]], list[str]]:
    """The function tools, and the names of the hosted ones that are left out."""
    functions, left_out = [], []
    for index, tool in enumerate(body.tools or []):
        kind = tool.get("type")
        where = f"tools[{index}]"
        if not isinstance(kind, str):
            raise InvalidRequest(
                f"Missing required parameter: '{where}.type'.", f"{where}.type", "missing_required_parameter"
            )
        if kind == "function":
            functions.append(_function(tool, where))
        elif policy.reject_unsupported_tools:
            raise _unsupported(f"{where}.type", f"The model server cannot run tools of type '{kind[:64]}'.")
        else:
            left_out.append(f"{where}:{kind[:64]}")
    return functions, left_out


def _function(tool: dict[str, Any], where: str) -> dict[str, Any]:
    try:
        FunctionTool.model_validate(tool)
    except ValidationError as error:
        raise invalid_field(error, f"{where}.") from None
    return tool


def _check_tool_choice(body: CreateResponse, tools: list[dict[str, Any]]) -> None:
    choice = body.tool_choice
    if choice == "required" and not tools:
        raise InvalidRequest("'tool_choice' is 'required' but there is no usable tool.", "tool_choice", "invalid_value")
    if not isinstance(choice, dict):
        return
    names = [tool["name"] for tool in tools]
    for where, wanted in _demanded(choice):
        if wanted.get("type") != "function":
            raise _unsupported(where, f"'{where}' demands a tool that the model server cannot run.")
        if wanted.get("name") not in names:
            raise InvalidRequest(f"'{where}' names a function that is not in 'tools'.", where, "invalid_value")


def _demanded(choice: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    if choice.get("type") != "allowed_tools":
        return [("tool_choice", choice)]
    allowed = choice.get("tools")
    if choice.get("mode") not in ("auto", "required") or not isinstance(allowed, list) or not allowed:
        raise InvalidRequest(
            "'tool_choice' of type 'allowed_tools' needs 'mode' and 'tools'.", "tool_choice", "invalid_value"
        )
    if not all(isinstance(tool, dict) for tool in allowed):
        raise InvalidRequest(
            "Invalid type for 'tool_choice.tools': expected objects.", "tool_choice.tools", "invalid_type"
        )
    return [(f"tool_choice.tools[{index}]", tool) for index, tool in enumerate(allowed)]


def _unsupported(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, param, "unsupported_parameter")
