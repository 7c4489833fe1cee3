"""Which of the offered tools a turn may use, and whether its choice among them can be met."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from shared.core.input_items import invalid_field
from shared.errors import InvalidRequest, unsupported_parameter
from shared.wire.requests import FunctionTool, Strict

Tool = dict[str, Any]


class RequestObject(NamedTuple):
    """A checked object inside a request: `where` it is (`tools[0].`), and its `path` in the table of fields."""

    where: str
    path: str
    part: Strict


@dataclass(frozen=True, slots=True)
class TakenTools:
    """The tools the model is told of, as the caller wrote them, and the names of those left out."""

    usable: list[Tool] = field(default_factory=list)
    objects: list[RequestObject] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def take_tools(tools: list[Tool], *, reject_others: bool = False) -> TakenTools:
    """Check each tool; raises InvalidRequest. What the model server cannot run is an offer, and left out."""
    taken = TakenTools()
    for index, tool in enumerate(tools):
        where, kind = f"tools[{index}]", tool.get("type")
        if not isinstance(kind, str):
            raise InvalidRequest(
                f"Missing required parameter: '{where}.type'.", f"{where}.type", "missing_required_parameter"
            )
        if kind == "function":
            taken.usable.append(tool)
            taken.objects.append(_function(tool, where))
        elif reject_others:
            raise unsupported_parameter(f"{where}.type", f"The model server cannot run tools of type '{kind[:64]}'.")
        else:
            taken.left_out.append(f"{where}:{kind[:64]}")
    return taken


def _function(tool: Tool, where: str) -> RequestObject:
    try:
        return RequestObject(f"{where}.", "tools[function].", FunctionTool.model_validate(tool))
    except ValidationError as error:
        raise invalid_field(error, f"{where}.") from None


def check_tool_choice(choice: str | dict[str, Any] | None, tools: list[Tool]) -> None:
    """Raise InvalidRequest for a choice that these tools cannot meet."""
    if choice == "required" and not tools:
        raise InvalidRequest("'tool_choice' is 'required' but there is no usable tool.", "tool_choice", "invalid_value")
    if not isinstance(choice, dict):
        return
    names = [tool["name"] for tool in tools]
    for where, wanted in _demanded(choice):
        if wanted.get("type") != "function":
            raise unsupported_parameter(where, f"'{where}' demands a tool that the model server cannot run.")
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
