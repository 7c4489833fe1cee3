"""S9: whatever JSON comes in is refused, or can be stored and written again."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.json_document import parse_object
from shared.errors import InvalidRequest


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", b"\xff"],
)
def test_what_cannot_be_kept_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_object(body)


def test_what_is_nested_too_deeply_is_named() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_object(b'{"model": "m", "tools": ' + b"[" * 400 + b"]" * 400 + b"}")
    assert refused.value.param == "tools"


def test_the_character_that_postgres_cannot_hold_is_replaced_in_keys_and_values() -> None:
    assert parse_object(b'{"a\\u0000": ["b\\u0000", {"c": "\\\\u0000"}]}') == {"a\ufffd": ["b\ufffd", {"c": "\\u0000"}]}


@given(depth=st.integers(1, 400))
@settings(deadline=None, max_examples=60)
def test_what_is_accepted_can_be_written_inside_other_documents(depth: int) -> None:
    body = b'{"a":' * depth + b"1" + b"}" * depth
    try:
        value = parse_object(body)
    except InvalidRequest:
        assert depth > 100
    else:
        assert orjson.dumps({"response": {"tools": [{"parameters": value}]}})
