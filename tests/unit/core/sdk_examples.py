"""Examples made from the official SDK's own types: whatever its newest version can send and receive."""

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Union, get_args, get_origin

import typing_extensions
from pydantic import BaseModel


def members(union: Any) -> Iterator[type]:
    """The classes of a union, however nested or annotated."""
    if get_origin(union) in (Union, types.UnionType, typing.Annotated):
        arms = get_args(union)[:1] if get_origin(union) is typing.Annotated else get_args(union)
        for arm in arms:
            yield from members(arm)
    else:
        yield union


def type_name(member: type) -> str:
    """What its `type` says."""
    (name,) = (one for one in _literals(_fields(member)["type"]) if one is not None)
    return str(name)


def examples(kind: Any, *, whole: bool) -> list[Any]:
    """Values of a type, one for each member of its unions; `whole`: with the optional fields too."""
    origin = get_origin(kind)
    if origin is Literal:
        return list(get_args(kind))
    if origin in (Union, types.UnionType):
        return [value for arm in get_args(kind) if arm is not type(None) for value in examples(arm, whole=whole)]
    if origin in (typing.Annotated, typing.Required):
        return examples(get_args(kind)[0], whole=whole)
    if origin in (list, typing.List, Iterable) or getattr(origin, "__name__", "") == "Iterable":  # noqa: UP006
        return [[value] for value in examples(get_args(kind)[0], whole=whole)]
    if origin is dict:
        return [{"key": examples(get_args(kind)[1], whole=whole)[0]}]
    if isinstance(kind, type) and (typing_extensions.is_typeddict(kind) or issubclass(kind, BaseModel)):
        return _objects(kind, whole)
    return [{str: "x", int: 1, float: 0.5, bool: True}.get(kind, {"any": [1]})]


def paths(kind: type, path: str = "") -> Iterator[str]:
    """Every field within an object, dotted; `[…]` after a name is the `type` of the object that it holds."""
    for name, hint in _fields(kind).items():
        if path and name == "type":
            continue
        place = f"{path}.{name}" if path else name
        yield place
        for member in _objects_in(hint):
            tags = [str(tag) for tag in _literals(_fields(member).get("type")) if tag is not None] or [""]
            for held in (f"{place}[{tag}]" if tag else place for tag in tags):
                yield held
                yield from paths(member, held)


def _objects_in(hint: Any) -> Iterator[type]:
    for member in members(hint):
        if typing_extensions.is_typeddict(member):
            yield member
        elif get_origin(member) is list or getattr(get_origin(member), "__name__", "") == "Iterable":
            yield from _objects_in(get_args(member)[0])


def _objects(kind: type, whole: bool) -> list[dict[str, Any]]:
    """One object for each value that one of its fields can have, the others at their first."""
    fields = {name: hint for name, hint in _fields(kind).items() if whole or name in _required(kind)}
    values = {name: examples(hint, whole=whole) for name, hint in fields.items()}
    plain = {name: found[0] for name, found in values.items()}
    return [plain | {name: value} for name, found in values.items() for value in found] or [plain]


def _fields(kind: type) -> dict[str, Any]:
    if issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    return typing.get_type_hints(kind)


def _required(kind: type) -> set[str]:
    if issubclass(kind, BaseModel):
        return {field.alias or name for name, field in kind.model_fields.items() if field.is_required()}
    # Not `__required_keys__`: the SDK's annotations are strings, in which it cannot see the word.
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name for name, hint in hints.items() if get_origin(hint) is typing.Required}


def _literals(hint: Any) -> list[Any]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [value for arm in get_args(hint) for value in _literals(arm)]
