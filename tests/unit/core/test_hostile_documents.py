"""S9: a body costs what it weighs, however it is made up: no shape of it takes much longer than another."""

import gc
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from api.main import ALLOCATIONS_PER_COLLECTION
from shared import ids
from shared.core.input_items import conversation_items, invalid_field, turn_items
from shared.core.json_document import MAX_VALUES, parse_object
from shared.core.request_rules import Policy, accept
from shared.core.tool_rules import MAX_TOOLS
from shared.errors import InvalidRequest
from shared.wire.requests import AddItems, CreateResponse

MIB = 1024 * 1024
# On a quiet machine none takes 0.1 s. This one may be busy; without its bound, each takes several times as long.
MOST_SECONDS_PER_MIB = 0.25

TEXT = b'{"model": "m", "input": "x", '
PARTS = b'{"model": "m", "input": [{"role": "user", "content": ['
REASONING = b'{"model": "m", "input": [{"type": "reasoning", "summary": ['
NAMESPACE = TEXT + b'"tools": [{"type": "namespace", "name": "n", "description": "", "tools": ['


def filled(head: bytes, piece: bytes, tail: bytes) -> bytes:
    """A MiB of pieces."""
    return head + (piece * (MIB // len(piece))).rstrip(b",") + tail


def numbered(head: bytes, piece: str, tail: bytes, count: int) -> bytes:
    return head + ",".join(piece % number for number in range(count)).encode() + tail


BODIES = {
    "lists": filled(TEXT + b'"client_metadata": [', b"[],", b"]}"),
    "objects": filled(TEXT + b'"client_metadata": [', b"{},", b"]}"),
    "lists and a NUL": filled(TEXT + b'"client_metadata": ["\\u0000",', b"[],", b"]}"),
    "NULs": filled(TEXT + b'"instructions": "', b"\\u0000", b'"}'),
    "backslashes and NULs": filled(TEXT + b'"instructions": "', b"\\\\\\u0000", b'"}'),
    "columns": filled(TEXT + b'"client_metadata": [', b"[" * 90 + b"]" * 90 + b",", b"]}"),
    "an abyss": TEXT + b'"client_metadata": ' + b"[" * MIB,
    "an open string": filled(TEXT + b'"instructions": "', b'\\"', b""),
    "long floats": filled(TEXT + b'"client_metadata": [', b"0." + b"1234567890" * 80 + b",", b"]}"),
    "a long number": filled(TEXT + b'"client_metadata": ', b"9", b"}"),
    "parts": filled(PARTS, b'{"type":"input_text","text":""},', b"]}]}"),
    "wrong parts": filled(PARTS, b"0,", b"]}]}"),
    "items": filled(b'{"model": "m", "input": [', b'{"role":"user","content":""},', b"]}"),
    "wrong items": filled(b'{"model": "m", "input": [', b"0,", b"]}"),
    "summaries": filled(REASONING, b'{"type":"summary_text","text":""},', b"]}]}"),
    "wrong summaries": filled(REASONING, b"0,", b"]}]}"),
    "functions": numbered(TEXT + b'"tools": [', '{"type":"function","name":"f%d"}', b"]}", 29_000),
    "hosted tools": filled(TEXT + b'"tools": [', b'{"type":"web_search"},', b"]}"),
    "wrong tools": filled(TEXT + b'"tools": [', b"0,", b"]}"),
    "tools in a namespace": numbered(NAMESPACE, '{"type":"function","name":"f%d"}', b"]}]}", 29_000),
    "wrong tools in a namespace": filled(NAMESPACE, b"0,", b"]}]}"),
    "includes": filled(TEXT + b'"include": [', b'"web_search_call.results",', b"]}"),
    "wrong includes": filled(TEXT + b'"include": [', b"0,", b"]}"),
    "labels": numbered(TEXT + b'"metadata": {', '"%d":""', b"}}", 90_000),
    "wrong labels": numbered(TEXT + b'"metadata": {', '"%d":0', b"}}", 90_000),
    "unknown fields": numbered(TEXT, '"%d":0', b"}", 90_000),
    "one field many times": filled(TEXT, b'"a":0,', b"}"),
}


@pytest.fixture(scope="module", autouse=True)
def _collected_as_in_the_server() -> Iterator[None]:
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def judge(body: bytes) -> None:
    """All that happens to a body before anything is stored; whether it is accepted is not what is asked here."""
    try:
        asked = CreateResponse.model_validate(parse_object(body))
        accept(asked, Policy())
        turn_items(asked.input, ids.new_item_id)
    except InvalidRequest:
        pass
    except ValidationError as error:
        invalid_field(error)


def seconds(body: bytes) -> float:
    began = time.process_time()
    judge(body)
    return time.process_time() - began


@pytest.mark.parametrize("shape", BODIES)
def test_no_shape_of_a_body_takes_long(shape: str) -> None:
    body = BODIES[shape]
    assert min(seconds(body) for _ in range(3)) < MOST_SECONDS_PER_MIB * len(body) / MIB


@pytest.mark.parametrize(
    "fields", [{"include": [0] * 50}, {"tools": [0] * 50}, {"metadata": {str(n): 0 for n in range(50)}}]
)
def test_wrong_values_have_one_complaint(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        CreateResponse.model_validate({"model": "m", "input": "x"} | fields)
    assert refused.value.error_count() == 1


def test_a_choice_among_as_many_tools_as_may_be_is_quick() -> None:
    """Each is looked for among all."""
    tools = [{"type": "function", "name": f"f{number}"} for number in range(MAX_TOOLS)]
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [tools[-1]] * MAX_TOOLS}
    body = json.dumps({"model": "m", "input": "x", "tools": tools, "tool_choice": choice}).encode()
    assert min(seconds(body) for _ in range(3)) < MOST_SECONDS_PER_MIB


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "web_search"}] * (MAX_TOOLS + 1)},
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{}] * (MAX_TOOLS + 1)}},
        {
            "tools": [
                {
                    "type": "namespace",
                    "name": "n",
                    "description": "",
                    "tools": [{"type": "function", "name": "f"}] * MAX_TOOLS,
                }
            ]
        },
    ],
    ids=["tools", "choice", "namespace"],
)
def test_there_are_no_more_tools_than_may_be(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="more than 512 tools"):
        accept(CreateResponse.model_validate({"model": "m", "input": "x"} | fields), Policy())


def test_wrong_items_of_a_conversation_have_one_complaint() -> None:
    """Each holds a list of as many wrong values as fit."""
    message = {"role": "user", "content": [0] * 400_000}
    body = json.dumps({"items": [message]}).encode()
    began = time.process_time()
    with pytest.raises(InvalidRequest):
        conversation_items(AddItems.model_validate(parse_object(body)).items, ids.new_item_id)
    assert time.process_time() - began < MOST_SECONDS_PER_MIB * len(body) / MIB


@pytest.mark.parametrize("value", [b"[],", b"{},", b"0,", b'"",', b'"a\\"[[,",'])
def test_a_body_holds_no_more_values_than_may_be(value: bytes) -> None:
    """A list of two bytes takes sixty in memory."""
    begin, end = b'{"a": [', b"0]}"
    parse_object(begin + value * (MAX_VALUES // 3) + end)
    with pytest.raises(InvalidRequest, match="more than 1000000 values"):
        parse_object(begin + value * (MAX_VALUES + 1) + end)


def test_a_text_holds_as_many_commas_and_brackets_as_it_likes() -> None:
    assert parse_object(b'{"a": "' + b"[{,\\\\" * MAX_VALUES + b'"}')
