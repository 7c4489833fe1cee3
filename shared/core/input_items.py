"""Input as the caller wrote it, turned into the items that are stored and listed."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from shared.errors import InvalidRequest
from shared.wire.items import CONTENT_PARTS, INPUT_ITEMS, Item, Open

MAX_ITEMS = 10_000

# Item type → the key that may hold content parts.
_PARTS = {"message": "content", "function_call_output": "output"}


def normalise(given: str | list[Any] | None, new_item_id: Callable[[str], str]) -> list[Item]:
    """Checked items, each with type, id and status; raises InvalidRequest naming the field."""
    if given is None:
        return []
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if len(given) > MAX_ITEMS:
        raise InvalidRequest(f"'input' holds more than {MAX_ITEMS} items.", "input", "array_above_max_length")
    items = [_item(raw, f"input[{index}]", new_item_id) for index, raw in enumerate(given)]
    _refuse_repeated_ids(items)
    return items


def _item(raw: Any, where: str, new_item_id: Callable[[str], str]) -> Item:
    if not isinstance(raw, dict):
        raise InvalidRequest(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    kind = raw.get("type")
    if kind is None:
        kind = "message" if "role" in raw else "item_reference" if "id" in raw else None
    item: Item = raw | {"type": kind}
    _check(item, INPUT_ITEMS, where)
    key = _PARTS.get(item["type"])
    if key and isinstance(item[key], list):
        for index, part in enumerate(item[key]):
            _check(part, CONTENT_PARTS, f"{where}.{key}[{index}]")
    if kind == "message" and isinstance(item["content"], str):
        item["content"] = [_text_part(item["role"], item["content"])]
    item["id"] = item.get("id") or new_item_id(str(kind))
    item["status"] = item.get("status") or "completed"
    return item


def _text_part(role: str, text: str) -> dict[str, Any]:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": text}


def _check(raw: Any, shapes: dict[str, type[Open]], where: str) -> None:
    if not isinstance(raw, dict):
        raise InvalidRequest(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    kind = raw.get("type")
    shape = shapes.get(kind) if isinstance(kind, str) else None
    if shape is None:
        allowed = ", ".join(f"'{name}'" for name in shapes)
        raise InvalidRequest(
            f"Invalid value for '{where}.type'. Supported values are: {allowed}.", f"{where}.type", "invalid_value"
        )
    try:
        shape.model_validate(raw)
    except ValidationError as error:
        raise invalid_field(error, f"{where}.") from None


def invalid_field(error: ValidationError, prefix: str = "") -> InvalidRequest:
    """The first complaint of a failed validation, naming its field and repeating no value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    param = prefix + _path([part for part in first["loc"] if not _is_union_tag(part)])
    if first["type"] == "missing":
        return InvalidRequest(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    code = "invalid_type" if first["type"].endswith("_type") else "invalid_value"
    return InvalidRequest(f"Invalid value for '{param}': {first['msg']}.", param, code)


def _is_union_tag(part: int | str) -> bool:
    # pydantic adds the member of a union it tried to the location: "str", "list[any]", "dict[str,any]", "literal[…]".
    return isinstance(part, str) and (part in {"str", "constrained-str"} or "[" in part)


def _path(location: list[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:64]}" for part in location)
    return text.removeprefix(".")


def _refuse_repeated_ids(items: list[Item]) -> None:
    seen: set[str] = set()
    for index, item in enumerate(items):
        if item["id"] in seen:
            where = f"input[{index}].id"
            raise InvalidRequest(f"Duplicate item id in '{where}'.", where, "duplicate_item_id")
        seen.add(item["id"])
