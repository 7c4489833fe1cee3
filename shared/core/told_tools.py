"""The caller's tools as a Chat Completions model is told of them: functions all, with one list of names.

| tool      | function                                                                              |
|-----------|---------------------------------------------------------------------------------------|
| function  | itself                                                                                |
| custom    | one with the argument `input`; a grammar is described, since nothing holds it to it     |
| namespace | one for each tool in it, its name and description before the tool's own               |
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

Tool = dict[str, Any]

CALLABLE: Final = ("function", "custom")  # compared, not hashed: a type may be anything
LONGEST_NAME: Final = 64  # what model servers take

_INPUT: Final = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class ToldTool:
    """One tool that the model may call; `tool` and `namespace` are as the caller wrote them."""

    tool: Tool
    namespace: Tool | None = None

    @property
    def space(self) -> str | None:
        """The name of its namespace."""
        return str(self.namespace["name"]) if self.namespace else None

    @property
    def name(self) -> str:
        """What the model calls it."""
        return told_name(self.tool["name"], self.space)

    @property
    def custom(self) -> bool:
        """Whether it takes free text."""
        return bool(self.tool["type"] == "custom")

    def is_meant(self, wanted: dict[str, Any]) -> bool:
        """Whether an entry of `tool_choice` names it, or the namespace it is in."""
        if wanted.get("type") == "namespace":
            return self.space is not None and wanted.get("name") == self.space
        named = (wanted.get("type"), wanted.get("name")) == (self.tool["type"], self.tool["name"])
        return named and wanted.get("namespace") in (None, self.space)

    def function(self) -> dict[str, Any]:
        """What the model is told."""
        about = [self.namespace and self.namespace.get("description"), self.tool.get("description")]
        if self.custom:
            about.append(_form(self.tool.get("format") or {}))
        description = "\n\n".join(text for text in about if text)
        parameters = _INPUT if self.custom else self.tool.get("parameters")
        told = {"description": description, "parameters": parameters, "strict": self.tool.get("strict")}
        function = {"name": self.name} | {key: value for key, value in told.items() if value not in (None, "")}
        return {"type": "function", "function": function}


def told_tools(tools: Sequence[Tool]) -> Iterator[ToldTool]:
    """The tools that a model can call, in their order."""
    for tool in tools:
        if tool["type"] in CALLABLE:
            yield ToldTool(tool)
        elif tool["type"] == "namespace":
            yield from (ToldTool(inner, tool) for inner in tool["tools"] if inner["type"] in CALLABLE)


def told_name(name: str, namespace: str | None) -> str:
    """The name that a model is told; the same in every turn, so that it knows its own calls again."""
    whole = f"{namespace}__{name}" if namespace else name
    if not namespace or len(whole) <= LONGEST_NAME:
        return whole
    mark = hashlib.sha256(whole.encode()).hexdigest()[:12]
    return f"{whole[: LONGEST_NAME - len(mark) - 1]}_{mark}"


def _form(form: dict[str, Any]) -> str | None:
    if form.get("type") != "grammar":
        return None
    return f"`input` must match this grammar ({form['syntax']}):\n{form['definition']}"
