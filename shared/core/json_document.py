"""JSON from outside, as values that can be stored anywhere and written again."""

import re
from typing import Any

import orjson

from shared.errors import InvalidRequest

# What goes in must come out again inside the documents made here (responses, events, requests), which add levels.
_LEVELS_ADDED = 32

MAX_VALUES = 1_000_000
"""A list of two bytes takes sixty in memory: what a body may become is bounded apart from its size."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; raises InvalidRequest.

    Refused are NaN, lone surrogates, deep nesting and too many values. U+0000, which Postgres cannot hold, becomes
    U+FFFD.
    """
    if _parts(body) > MAX_VALUES and _parts(_STRING.sub(b"", body)) > MAX_VALUES:
        raise InvalidRequest(f"The request body holds more than {MAX_VALUES} values.", code="invalid_json")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The request body is not valid JSON.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The request body must be a JSON object.", code="invalid_type")
    if not is_writable(value):
        deep = next(name for name in value if not is_writable({name: value[name]}))[:64]
        raise InvalidRequest(f"'{deep}' is nested too deeply.", deep, "invalid_json")
    return orjson.loads(_nul_replaced(body)) if b"\\u0000" in body else value


def is_writable(value: Any) -> bool:
    """Whether the documents made here can hold `value`."""
    for _ in range(_LEVELS_ADDED):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def without_nul(value: Any) -> Any:
    """The same with U+FFFD for each U+0000."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [without_nul(one) for one in value]
    if isinstance(value, dict):
        return {without_nul(key): without_nul(one) for key, one in value.items()}
    return value


def _parts(text: bytes) -> int:
    """How many values there are at most."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _nul_replaced(text: bytes) -> bytes:
    """JSON text with another character for each U+0000. Escaped backslashes step aside: none begins an escape."""
    return text.replace(rb"\\", b"\0").replace(rb"\u0000", rb"\ufffd").replace(b"\0", rb"\\")
