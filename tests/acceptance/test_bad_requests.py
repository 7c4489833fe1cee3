"""Requests that cannot be accepted: always OpenAI's envelope with its four keys, never a 422, never a 5xx (G26, S9)."""

import json
from typing import Any

import httpx2
import pytest

from tests.acceptance.conftest import MAX_BODY_BYTES
from tests.acceptance.turns import ROUTES
from tests.raw_http import RawStream, request_bytes
from tests.stack import Stack

FUNCTION = {"type": "function", "name": "f"}


def refused(answer: httpx2.Response, status: int = 400) -> dict[str, Any]:
    """The error of an answer that refuses in the right form."""
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["type"] == "invalid_request_error"
    assert isinstance(body["error"]["message"], str)
    return body["error"]  # type: ignore[no-any-return]


def post(http: httpx2.Client, **fields: Any) -> httpx2.Response:
    return http.post("/responses", json={"model": "m", "input": "x"} | fields)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model": "m", "input": "x"',
        b"nonsense",
        b'{"model": "m", "input": NaN}',
        b'{"model": "m", "input": "x", "temperature": Infinity}',
        b'{"model": "m", "input": "\xff\xfe"}',
        b'{"model": "m", "input": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=["empty", "open", "cut", "word", "NaN", "Infinity", "not UTF-8", "lone surrogate", "deep list", "deep object"],
)
def test_what_is_not_json_is_refused(http: httpx2.Client, body: bytes) -> None:
    assert refused(http.post("/responses", content=body))["code"] == "invalid_json"


@pytest.mark.parametrize("body", ["[]", '"x"', "1", "null", "true"])
def test_json_that_is_no_object_is_refused(http: httpx2.Client, body: str) -> None:
    assert refused(http.post("/responses", content=body))["code"] == "invalid_type"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"model": "m\n"}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": {}}, "input"),
        ({"input": "x" * 10_485_761}, None),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": "nonsense"}]}, "input[0].type"),
        ({"input": [{"type": ["message"]}]}, "input[0].type"),
        ({"input": [{"role": "king", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [5]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "video"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": "x", "id": ""}]}, "input[0].id"),
        ({"input": [{"role": "user", "content": "x", "id": "a b"}]}, "input[0].id"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "", "output": ""}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "x" * 65, "output": ""}]}, "input[0].call_id"),
        ({"instructions": 5}, "instructions"),
        ({"previous_response_id": 5}, "previous_response_id"),
        ({"background": "yes"}, "background"),
        ({"store": 1}, "store"),
        ({"stream": "true"}, "stream"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"max_output_tokens": 15}, "max_output_tokens"),
        ({"max_output_tokens": 10**30}, "max_output_tokens"),
        ({"max_output_tokens": 2**31}, "max_output_tokens"),
        ({"max_output_tokens": 100.5}, "max_output_tokens"),
        ({"max_tool_calls": 0}, "max_tool_calls"),
        ({"truncation": "never"}, "truncation"),
        ({"service_tier": "gold"}, "service_tier"),
        ({"metadata": {"k": 5}}, "metadata.k"),
        ({"metadata": {"k" * 65: "v"}}, None),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"metadata": {str(n): "v" for n in range(17)}}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"tools": [FUNCTION | {"parameters": []}]}, "tools[0].parameters"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": FUNCTION}, "tool_choice"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"text": {"format": {"type": "poem"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"include": ["everything"]}, "include[0]"),
        ({"include": "everything"}, "include"),
        ({"safety_identifier": "x" * 129}, "safety_identifier"),
        ({"stream_options": {"include_obfuscation": "no"}}, "stream_options.include_obfuscation"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else None,
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    http: httpx2.Client, fields: dict[str, Any], param: str | None
) -> None:
    if "input" in fields and isinstance(fields["input"], str):
        refused(post(http, **fields), 413)
        return
    error = refused(post(http, **fields))
    if param is not None:
        assert error["param"] == param
        assert param.split(".")[-1].split("[")[0] in error["message"]
        assert error["code"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("temprature", "temperature"), ("instuctions", "instructions"), ("previous_respose_id", "previous_response_id")],
)
def test_a_misspelt_field_is_refused_with_the_name_that_was_meant(http: httpx2.Client, name: str, meant: str) -> None:
    error = refused(post(http, **{name: "x"}))
    assert (error["code"], error["param"]) == ("unknown_parameter", name)
    assert f"Did you mean '{meant}'?" in error["message"]


@pytest.mark.parametrize("name", ["prompt", "moderation"])
def test_a_known_field_that_is_not_offered_is_refused_by_name(http: httpx2.Client, name: str) -> None:
    error = refused(post(http, **{name: {"id": "x"}}))
    assert (error["code"], error["param"]) == ("unsupported_parameter", name)


def test_the_same_item_id_twice_is_refused(http: httpx2.Client) -> None:
    """C2, for input items."""
    items = [{"role": "user", "content": "x", "id": "msg_1"}] * 2
    assert refused(post(http, input=items))["param"] == "input[1].id"


def test_an_item_id_of_another_response_touches_nothing(http: httpx2.Client) -> None:
    """C2: identity is (response, id)."""
    items = [{"role": "user", "content": "first", "id": "msg_same"}]
    first = post(http, input=items).json()
    second = post(http, input=[items[0] | {"content": "second"}]).json()
    texts = [
        http.get(f"/responses/{turn['id']}/input_items").json()["data"][0]["content"][0]["text"]
        for turn in (first, second)
    ]
    assert texts == ["first", "second"]


def test_a_body_over_the_limit_is_413_however_it_is_sent(stack: Stack) -> None:
    large = b" " * (MAX_BODY_BYTES + 1)
    with RawStream(stack.url(), request_bytes(stack.url(), "POST", "/responses", large)) as answer:
        assert answer.status == 413
        assert answer.json()["error"]["code"] == "request_too_large"
    with httpx2.Client(base_url=stack.url()) as http:
        chunked = http.post("/responses", content=iter([large[: MAX_BODY_BYTES // 2]] * 3))
    assert refused(chunked, 413)["code"] == "request_too_large"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("order=up", "order"),
        ("after=msg_unknown", "after"),
        ("after=", "after"),
        ("after=%00", "after"),
        ("after=%ED%A0%80", "after"),
    ],
)
def test_a_listing_refuses_what_it_cannot_page_by(http: httpx2.Client, query: str, param: str) -> None:
    """C3."""
    turn = post(http).json()
    assert refused(http.get(f"/responses/{turn['id']}/input_items?{query}"))["param"] == param


@pytest.mark.parametrize(
    "response_id", ["resp_unknown", "x", "%00", "resp_%00", "%F0%9F%98%80", "%ED%A0%80", "x" * 5000, "..%2f..", "%0A"]
)
@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_an_id_that_is_nobodys_is_a_404(http: httpx2.Client, method: str, route: str, response_id: str) -> None:
    error = refused(http.request(method, f"/responses/{response_id}{route}"), 404)
    assert len(error["message"]) < 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/responses", 405),
        ("DELETE", "/responses", 405),
        ("PATCH", "/responses/resp_x", 405),
        ("POST", "/responses/resp_x", 405),
        ("GET", "/responses/resp_x/cancel", 405),
        ("POST", "/models", 405),
        ("GET", "/nowhere", 404),
        ("POST", "/responses/", 404),
        ("GET", "/responses/a/b/c", 404),
    ],
)
def test_a_wrong_method_or_path_has_the_envelope_too(http: httpx2.Client, method: str, path: str, status: int) -> None:
    refused(http.request(method, path), status)


STRING_FIELDS: list[dict[str, Any]] = [
    {"model": "\u0000"},
    {"input": "a\u0000b"},
    {"input": [{"role": "user", "content": "a\u0000b"}]},
    {"input": [{"role": "user", "content": [{"type": "input_text", "text": "\u0000"}]}]},
    {"input": [{"role": "user", "content": "x", "extra\u0000": "\u0000"}]},
    {"input": [{"role": "user", "content": "x", "id": "a\u0000"}]},
    {
        "input": [
            {"type": "function_call", "call_id": "\u0000", "name": "f", "arguments": "\u0000"},
            {"type": "function_call_output", "call_id": "\u0000", "output": "\u0000"},
        ]
    },
    {"input": [{"type": "\u0000"}]},
    {"instructions": "\u0000"},
    {"previous_response_id": "resp_\u0000"},
    {"metadata": {"\u0000": "\u0000"}},
    {"user": "\u0000"},
    {"safety_identifier": "\u0000"},
    {"prompt_cache_key": "\u0000"},
    {"service_tier": "\u0000"},
    {"tools": [FUNCTION | {"description": "\u0000", "parameters": {"\u0000": "\u0000"}}]},
    {"tools": [{"type": "\u0000"}]},
    {"tool_choice": {"type": "\u0000"}},
    {"include": ["\u0000"]},
    {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"\u0000": 1}}}},
    {"x\u0000y": 1},
]


@pytest.mark.parametrize("fields", STRING_FIELDS, ids=lambda fields: json.dumps(fields)[:70])
def test_a_nul_character_works_or_is_refused_in_every_string(http: httpx2.Client, fields: dict[str, Any]) -> None:
    """Postgres takes none in text; whatever is accepted is stored and read back as it was."""
    answer = post(http, **fields)
    if answer.status_code != 200:
        refused(answer)
        return
    stored = answer.json()
    assert stored["status"] == "completed", stored["error"]
    assert http.get(f"/responses/{stored['id']}").json() == stored
    assert http.get(f"/responses/{stored['id']}/input_items").status_code == 200


def nested(depth: int) -> str:
    """JSON of twice as many levels."""
    return '{"a": [' * depth + '"x"' + "]}" * depth


@pytest.mark.parametrize("depth", [20, 100, 126, 127, 200, 400, 505])
@pytest.mark.parametrize("place", ["tool", "item", "schema", "unknown"])
def test_deep_nesting_works_or_is_refused(http: httpx2.Client, depth: int, place: str) -> None:
    deep = nested(depth)
    fields: dict[str, dict[str, Any]] = {
        "tool": {"tools": [FUNCTION | {"parameters": "DEEP"}]},
        "item": {"input": [{"role": "user", "content": "x", "extra": "DEEP"}]},
        "schema": {"text": {"format": {"type": "json_schema", "name": "n", "schema": "DEEP"}}},
        "unknown": {"client_metadata": "DEEP"},
    }
    body = json.dumps({"model": "m", "input": "x"} | fields[place]).replace('"DEEP"', deep)
    answer = http.post("/responses", content=body)
    if answer.status_code != 200:
        refused(answer)
        return
    stored = answer.json()
    assert stored["status"] == "completed", stored["error"]
    assert http.get(f"/responses/{stored['id']}/input_items").status_code == 200


@pytest.mark.parametrize(
    "number", ["1" + "0" * 400, "-1" + "0" * 30, "1e400", "18446744073709551616", "1e-400", "-0.0"]
)
@pytest.mark.parametrize("place", ["max_output_tokens", "temperature", "parameters", "extra"])
def test_huge_numbers_work_or_are_refused(http: httpx2.Client, number: str, place: str) -> None:
    body = {
        "max_output_tokens": f'"max_output_tokens": {number}',
        "temperature": f'"temperature": {number}',
        "parameters": f'"tools": [{{"type": "function", "name": "f", "parameters": {{"maximum": {number}}}}}]',
        "extra": f'"client_metadata": {{"n": {number}}}',
    }[place]
    answer = http.post("/responses", content='{"model": "m", "input": "x", ' + body + "}")
    if answer.status_code != 200:
        refused(answer)
        return
    assert answer.json()["status"] == "completed"


def test_an_error_repeats_no_value_of_the_request(http: httpx2.Client, topic: str) -> None:
    """I2."""
    given = ({"input": [{"role": topic, "content": "x"}]}, {"temperature": topic}, {"metadata": {"k": topic * 20}})
    for fields in given:
        assert topic not in post(http, **fields).text


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/json; x"])
def test_the_content_type_does_not_matter(http: httpx2.Client, content_type: str) -> None:
    answer = http.post("/responses", content='{"model": "m", "input": "x"}', headers={"content-type": content_type})
    assert answer.status_code == 200
