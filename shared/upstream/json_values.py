"""Values out of a server's JSON, of the type they should have: null is the empty one, another type an UpstreamError."""

from typing import Any

import orjson

from shared.core.json_document import is_writable, without_nul
from shared.upstream import failures


def parse_json(payload: bytes) -> Any:
    """A JSON value; raises UpstreamError, whose text does not repeat the bytes."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise failures.garbage() from None


def as_text(value: Any) -> str:
    """A string without NUL, which SQL databases refuse."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd") if "\0" in value else value
    if value is None:
        return ""
    raise failures.garbage()


def as_object(value: Any) -> dict[str, Any]:
    """A JSON object."""
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise failures.garbage()


def as_document(value: Any) -> dict[str, Any]:
    """A JSON object of any content that the documents made here can hold."""
    document: dict[str, Any] = as_object(value)
    if not is_writable(document):
        raise failures.garbage()
    return without_nul(document)  # type: ignore[no-any-return]


def as_list(value: Any) -> list[Any]:
    """A JSON array."""
    if isinstance(value, list):
        return value
    if value is None:
        return []
    raise failures.garbage()


def as_count(value: Any) -> int:
    """A whole number, not negative."""
    if type(value) is int and value >= 0:  # a bool is an int to isinstance
        return value
    if value is None:
        return 0
    raise failures.garbage()


def as_number(value: Any) -> float:
    """Any number."""
    if type(value) is float or type(value) is int:
        return value
    raise failures.garbage()
