"""Whatever is posted, the answer is a Response or a refusal in the envelope (S9)."""

import json
import string
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.wire.requests import CreateResponse
from tests.raw_websocket import RawSocket
from tests.stack import Stack

EXAMPLES, MANY_EXAMPLES, MESSAGES = 1000, 20_000, 150

FIELDS = [*CreateResponse.model_fields, "conversation", "prompt", "client_metadata"]
WORDS = ["message", "function_call", "function_call_output", "reasoning", "item_reference", "function", "input_text"]
KEYS = ["type", "role", "content", "id", "status", "call_id", "name", "arguments", "output", "text", "format", "schema"]

text = st.one_of(
    st.sampled_from([*WORDS, "user", "assistant", "auto", "", "x", "resp_x", "\u0000", "\u2028", "1"]),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    text,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), text), inner, max_size=6),
    ),
    max_leaves=12,
)
names = st.one_of(st.sampled_from(FIELDS), st.text(string.ascii_lowercase, max_size=8))
bodies = st.dictionaries(names, values, max_size=5)
near_bodies = bodies.map(lambda fields: {"model": "m", "input": "x"} | fields)
broken = st.builds(lambda body, cut: json.dumps(body)[:cut].encode(), near_bodies, st.integers(0, 80))
posted = st.one_of(st.one_of(near_bodies, bodies).map(lambda body: json.dumps(body).encode()), broken)


@pytest.mark.made_up
@pytest.mark.parametrize(
    "examples",
    [EXAMPLES, pytest.param(MANY_EXAMPLES, marks=[pytest.mark.release, pytest.mark.timeout(3600)])],
    ids=["short", "long"],
)
def test_no_body_makes_a_server_error(stack: Stack, examples: int) -> None:
    with httpx2.Client(base_url=stack.url(), timeout=30) as http:

        @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
        @given(posted)
        def law(body: bytes) -> None:
            # In the background: how the model's answer looks is not what is tried here.
            answer = http.post("/responses", content=_in_background(body))
            assert answer.status_code in (200, 400, 404, 413), (answer.status_code, answer.text[:200])
            told: Any = answer.json()
            if answer.status_code == 200:
                assert told["object"] == "response"
                assert http.get(f"/responses/{told['id']}").status_code == 200
            else:
                assert told["error"].keys() == {"message", "type", "param", "code"}
                assert told["error"]["type"] == "invalid_request_error"

        law()


@pytest.mark.made_up
def test_no_message_over_a_websocket_makes_a_server_error(stack: Stack) -> None:
    with RawSocket(stack.url()) as socket:

        @settings(max_examples=MESSAGES, suppress_health_check=list(HealthCheck))
        @given(posted)
        def law(body: bytes) -> None:
            socket.send(_ungenerated(body))
            end = socket.turn()[-1]
            assert end["type"] == "response.completed" or end["status"] in (400, 404, 413), end

        law()


def _ungenerated(body: bytes) -> bytes:
    """The same body as a message that asks no model, if it can be understood at all."""
    try:
        fields = json.loads(body)
    except ValueError:
        return body
    return json.dumps({"type": "response.create", "generate": False} | fields).encode()


def _in_background(body: bytes) -> bytes:
    """The same body, but answered at once, if it can be understood at all."""
    try:
        fields = json.loads(body)
    except ValueError:
        return body
    return json.dumps(fields | {"background": True, "stream": False}).encode() if isinstance(fields, dict) else body
