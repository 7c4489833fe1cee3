"""Input as the caller wrote it, turned into the items that are stored and listed."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from shared.errors import InvalidRequest, missing_parameter, unsupported_parameter
from shared.wire.items import CONTENT_PARTS, CONVERSATION_ITEMS, NATIVE_ITEMS, NATIVE_PARTS, TURN_ITEMS, Item, Open
from shared.wire.request_fields import REQUEST_FIELDS, Fate, fields_with

MAX_TURN_ITEMS = 10_000
MAX_CONVERSATION_ITEMS = 20

_REFUSED = fields_with(Fate.REFUSED)
_REFUSED_IN = {
    path: [inner.removeprefix(f"{path}.") for inner in _REFUSED if inner.startswith(f"{path}.")]
    for path in REQUEST_FIELDS
}

# Item type → the key that may hold content parts.
_PARTS = {"message": "content", "function_call_output": "output", "custom_tool_call_output": "output"}


def turn_items(given: str | list[Any] | None, new_item_id: Callable[[str], str], *, native: bool = False) -> list[Item]:
    """A turn's input, checked, each item with type, id and status; raises InvalidRequest naming the field.

    A reference stays one; who stores it puts the item in its place. For a `native` Responses server, items of
    hosted tools and files by their URL are taken as well.
    """
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    items = _checked(given or [], "input", MAX_TURN_ITEMS, NATIVE_ITEMS if native else TURN_ITEMS)
    for index, item in enumerate(items):
        _check_parts(item, f"input[{index}]", NATIVE_PARTS if native else CONTENT_PARTS)
    return _completed(items, "input", new_item_id)


def conversation_items(given: list[Any] | None, new_item_id: Callable[[str], str]) -> list[Item]:
    """Items for a conversation, of any type the published API knows; raises as `turn_items` does."""
    items = _checked(given or [], "items", MAX_CONVERSATION_ITEMS, CONVERSATION_ITEMS)
    return _completed(items, "items", new_item_id)


def _checked(given: list[Any], name: str, most: int, shapes: dict[str, type[Open]]) -> list[Item]:
    if len(given) > most:
        raise InvalidRequest(f"'{name}' holds more than {most} items.", name, "array_above_max_length")
    return [_item(raw, f"{name}[{index}]", shapes) for index, raw in enumerate(given)]


def _item(raw: Any, where: str, shapes: dict[str, type[Open]]) -> Item:
    if not isinstance(raw, dict):
        raise InvalidRequest(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    kind = raw.get("type")
    if kind is None:
        kind = "message" if "role" in raw else "item_reference" if "id" in raw else None
    item: Item = raw | {"type": kind}
    _check(item, shapes, where, "input")
    return item


def _check_parts(item: Item, where: str, shapes: dict[str, type[Open]]) -> None:
    key = _PARTS.get(item["type"])
    if key and isinstance(item[key], list):
        for index, part in enumerate(item[key]):
            _check(part, shapes, f"{where}.{key}[{index}]", "content")


def _completed(items: list[Item], name: str, new_item_id: Callable[[str], str]) -> list[Item]:
    for item in items:
        if item["type"] == "message" and isinstance(item["content"], str):
            item["content"] = [_text_part(item["role"], item["content"])]
        if item["type"] != "item_reference":
            item["id"] = item.get("id") or new_item_id(item["type"])
            item["status"] = item.get("status") or "completed"
    _refuse_repeated_ids(items, name)
    return items


def _text_part(role: str, text: str) -> dict[str, Any]:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": text}


def _check(raw: Any, shapes: dict[str, type[Open]], where: str, table: str) -> None:
    if not isinstance(raw, dict):
        raise InvalidRequest(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    kind = raw.get("type")
    shape = shapes.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise _unknown_type(kind, shapes, f"{where}.type", table)
    for name in _REFUSED_IN.get(f"{table}[{kind}]", ()):
        if raw.get(name) is not None and name not in shape.model_fields:
            raise _refused(f"{table}[{kind}].{name}", f"{where}.{name}")
    try:
        shape.model_validate(raw)
    except ValidationError as error:
        raise invalid_field(error, f"{where}.") from None


def _unknown_type(kind: object, shapes: dict[str, type[Open]], where: str, table: str) -> InvalidRequest:
    if (path := f"{table}[{kind}]") in _REFUSED:
        return _refused(path, where)
    allowed = ", ".join(f"'{name}'" for name in shapes)
    return InvalidRequest(f"Invalid value for '{where}'. Supported values are: {allowed}.", where, "invalid_value")


def _refused(path: str, where: str) -> InvalidRequest:
    return unsupported_parameter(where, f"Unsupported parameter: '{where}': {REQUEST_FIELDS[path].says}.")


def invalid_field(error: ValidationError, prefix: str = "") -> InvalidRequest:
    """The first complaint of a failed validation, naming its field and repeating no value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    param = prefix + _path([part for part in first["loc"] if not _is_union_tag(part)])
    if first["type"] == "missing":
        return missing_parameter(param)
    code = "invalid_type" if first["type"].endswith("_type") else "invalid_value"
    return InvalidRequest(f"Invalid value for '{param}': {first['msg']}.", param, code)


def _is_union_tag(part: int | str) -> bool:
    # pydantic adds the member of a union it tried to the location: "str", "list[any]", "dict[str,any]", "literal[…]".
    return isinstance(part, str) and (part in {"str", "constrained-str"} or "[" in part)


def _path(location: list[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:64]}" for part in location)
    return text.removeprefix(".")


def _refuse_repeated_ids(items: list[Item], name: str) -> None:
    seen: set[str] = set()
    for index, item in enumerate(items):
        if item["id"] in seen:
            where = f"{name}[{index}].id"
            raise InvalidRequest(f"Duplicate item id in '{where}'.", where, "duplicate_item_id")
        seen.add(item["id"])
