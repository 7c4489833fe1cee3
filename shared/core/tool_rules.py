"""Which of the offered tools a turn may use, and whether its choice among them can be met."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from shared.core.input_items import invalid_field
from shared.core.told_tools import CALLABLE, Tool, told_tools
from shared.errors import InvalidRequest, missing_parameter, unsupported_parameter
from shared.wire.requests import CustomTool, FunctionTool, NamespaceTool, Strict

# What a model server runs itself without changing anything anywhere; `web_search_preview` and dated names included.
_ONLY_LOOKS = ("web_search", "file_search", "tool_search")

MAX_TOOLS = 512
"""Also of the entries of `tool_choice`, each of which is looked for among the tools."""

_SHAPES: dict[str, type[Strict]] = {"function": FunctionTool, "custom": CustomTool, "namespace": NamespaceTool}


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


def may_change_things(tools: Sequence[Tool]) -> bool:
    """Whether the model server itself may do something with one of them that must not be done twice."""
    return any(tool["type"] not in _SHAPES and not tool["type"].startswith(_ONLY_LOOKS) for tool in tools)


def take_tools(tools: list[Tool], *, reject_others: bool = False) -> TakenTools:
    """Check each tool; raises InvalidRequest. What the model server cannot run is an offer, and left out."""
    taken = TakenTools()
    for index, tool in enumerate(tools):
        if _take(tool, f"tools[{index}]", tuple(_SHAPES), taken, reject_others):
            taken.usable.append(tool)
    _refuse_ambiguous_names(taken.usable)
    return taken


def take_native_tools(tools: list[Tool]) -> TakenTools:
    """Check each tool whose shape is known; a native Responses server runs what it can, and refuses the rest itself."""
    taken = TakenTools(usable=tools)
    for index, tool in enumerate(tools):
        _take(tool, f"tools[{index}]", tuple(_SHAPES), taken, reject_others=False)
    taken.left_out.clear()
    return taken


def _take(tool: Tool, where: str, kinds: tuple[str, ...], taken: TakenTools, reject_others: bool) -> bool:
    _refuse_too_many("tools", len(taken.objects) + len(taken.left_out) + 1)
    kind = tool.get("type")
    if not isinstance(kind, str):
        raise missing_parameter(f"{where}.type")
    if kind in kinds:
        taken.objects.append(_checked(tool, where))
        for index, inner in enumerate(tool["tools"] if kind == "namespace" else ()):
            _take(inner, f"{where}.tools[{index}]", CALLABLE, taken, reject_others)
        return True
    if reject_others:
        raise unsupported_parameter(f"{where}.type", f"The model server cannot run tools of type '{kind[:64]}'.")
    taken.left_out.append(f"{where}:{kind[:64]}")
    return False


def _checked(tool: Tool, where: str) -> RequestObject:
    try:
        checked = _SHAPES[tool["type"]].model_validate(tool)
    except ValidationError as error:
        raise invalid_field(error, f"{where}.") from None
    form = checked.format if isinstance(checked, CustomTool) else None
    if form and form.type == "grammar":
        for key, value in (("syntax", form.syntax), ("definition", form.definition)):
            if value is None:
                missing = f"{where}.format.{key}"
                raise missing_parameter(missing)
    return RequestObject(f"{where}.", f"tools[{tool['type']}].", checked)


def _refuse_too_many(name: str, count: int) -> None:
    if count > MAX_TOOLS:
        raise InvalidRequest(f"'{name}' holds more than {MAX_TOOLS} tools.", name, "array_above_max_length")


def _refuse_ambiguous_names(tools: list[Tool]) -> None:
    """A call must lead back to one tool; the same function told twice does."""
    named: dict[str, tuple[str, str | None]] = {}
    for told in told_tools(tools):
        means = (str(told.tool["type"]), told.space)
        if named.setdefault(told.name, means) != means:
            raise InvalidRequest(f"Two of 'tools' are told to the model as '{told.name}'.", "tools", "invalid_value")


def check_tool_choice(choice: str | dict[str, Any] | None, tools: list[Tool]) -> None:
    """Raise InvalidRequest for a choice that these tools cannot meet."""
    told = list(told_tools(tools))
    if choice == "required" and not told:
        raise InvalidRequest("'tool_choice' is 'required' but there is no usable tool.", "tool_choice", "invalid_value")
    if not isinstance(choice, dict):
        return
    for where, kinds, wanted in _demanded(choice):
        if wanted.get("type") not in kinds:
            raise unsupported_parameter(where, f"'{where}' demands a tool that the model server cannot run.")
        if not any(tool.is_meant(wanted) for tool in told):
            raise InvalidRequest(f"'{where}' names a tool that is not in 'tools'.", where, "invalid_value")


def check_native_tool_choice(choice: str | dict[str, Any] | None, tools: list[Tool]) -> None:
    """The same for a native Responses server, which is the judge of choices among hosted tools."""
    if not isinstance(choice, dict):
        return
    told = list(told_tools(tools))
    for where, kinds, wanted in _demanded(choice):
        if not isinstance(wanted.get("type"), str):
            raise missing_parameter(f"{where}.type")
        if wanted["type"] in kinds and not any(tool.is_meant(wanted) for tool in told):
            raise InvalidRequest(f"'{where}' names a tool that is not in 'tools'.", where, "invalid_value")


def _demanded(choice: dict[str, Any]) -> list[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """Where each demand stands, which types can be met there, and the demand."""
    if choice.get("type") != "allowed_tools":
        return [("tool_choice", CALLABLE, choice)]
    allowed = choice.get("tools")
    if choice.get("mode") not in ("auto", "required") or not isinstance(allowed, list) or not allowed:
        raise InvalidRequest(
            "'tool_choice' of type 'allowed_tools' needs 'mode' and 'tools'.", "tool_choice", "invalid_value"
        )
    _refuse_too_many("tool_choice.tools", len(allowed))
    if not all(isinstance(tool, dict) for tool in allowed):
        raise InvalidRequest(
            "Invalid type for 'tool_choice.tools': expected objects.", "tool_choice.tools", "invalid_type"
        )
    return [(f"tool_choice.tools[{index}]", (*CALLABLE, "namespace"), tool) for index, tool in enumerate(allowed)]
