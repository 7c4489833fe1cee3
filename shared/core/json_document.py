"""JSON from outside, as values that can be stored anywhere and written again."""

from typing import Any

import orjson

from shared.errors import InvalidRequest

# What goes in must come out again inside the documents made here (responses, events, requests), which add levels.
_LEVELS_ADDED = 32


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; raises InvalidRequest.

    Refused are NaN, lone surrogates and deep nesting. U+0000, which Postgres cannot hold, becomes U+FFFD.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The request body is not valid JSON.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The request body must be a JSON object.", code="invalid_type")
    if not is_writable(value):
        raise InvalidRequest("The request body is nested too deeply.", code="invalid_json")
    return without_nul(value) if b"\\u0000" in body else value


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
