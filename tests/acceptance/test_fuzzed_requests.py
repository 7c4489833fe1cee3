"""Whatever is posted, wherever, the answer is what the route gives or a refusal in the envelope (S9).

On each database 1,200 bodies and 400 WebSocket messages; before a release 50,000 and 5,000.
"""

import json
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx2
import pytest
from hypothesis import strategies as st

from shared.wire.requests import AddItems, CountInputTokens, CreateConversation
from tests.acceptance.fuzzed_values import FIELDS, contents, drawn
from tests.raw_websocket import ENDS, RawSocket
from tests.stack import Stack

BODIES, MANY_BODIES = 1200, 50_000
MESSAGES, MANY_MESSAGES = 400, 5000
AT_ONCE = 4

T = TypeVar("T")

CHAT = ["messages", "stream", "n", "tools", "input", "max_tokens"]
# What each route is sent fields of.
ROUTES = {
    "/responses": FIELDS,
    "/responses/input_tokens": list(CountInputTokens.model_fields),
    "/responses/compact": FIELDS,
    "/conversations": list(CreateConversation.model_fields),
    "/conversations/{conversation}": list(CreateConversation.model_fields),
    "/conversations/{conversation}/items": list(AddItems.model_fields),
    "/chat/completions": CHAT,
    "/embeddings": CHAT,
}
# These may also tell that the model's server has failed.
ASKING = {"/responses/input_tokens", "/responses/compact", "/chat/completions", "/embeddings"}


def bodies_of(fields: list[str], most: dict[str, Any], found: list[Any]) -> st.SearchStrategy[bytes]:
    """Bodies with these fields or others, most of them with what `most` need; whole and broken off."""
    names = st.one_of(st.sampled_from(fields), st.text(string.ascii_lowercase, max_size=8))
    bodies = st.dictionaries(names, st.sampled_from(found), max_size=5)
    near = bodies.map(lambda body: most | body)
    broken = st.builds(lambda body, cut: json.dumps(body)[:cut].encode(), near, st.integers(0, 80))
    return st.one_of(st.one_of(near, bodies).map(lambda body: json.dumps(body).encode()), broken)


def posted(found: list[Any]) -> st.SearchStrategy[tuple[str, bytes]]:
    """A route, and what it is sent."""

    def to(path: str) -> st.SearchStrategy[tuple[str, bytes]]:
        most = {"metadata": {"a": "b"}} if "conversation" in path else {"model": "m", "input": "x"}
        return st.tuples(st.just(path), bodies_of(ROUTES[path], most, found))

    return st.one_of([to(path) for path in ROUTES])


def messages(found: list[Any]) -> st.SearchStrategy[tuple[bytes, bool]]:
    """What a connection is sent, and whether as bytes."""
    most = {"type": "response.create", "model": "m", "input": "x"}
    return st.tuples(bodies_of([*FIELDS, "type", "stream_id", "generate"], most, found), st.booleans())


def short_and_long(short: int, long: int) -> Callable[..., Any]:
    """A test with few examples, and for a release with many."""
    marks = [pytest.mark.release, pytest.mark.timeout(3 * 3600)]
    return pytest.mark.parametrize("examples", [short, pytest.param(long, marks=marks)], ids=["short", "long"])


def fuzzed(made_of: Callable[[list[Any]], st.SearchStrategy[T]], examples: int) -> list[T]:
    """All of them, before any is sent: so several go at once."""
    return drawn(made_of(contents(examples // 4)), examples)


@pytest.mark.made_up
@short_and_long(BODIES, MANY_BODIES)
def test_no_body_makes_a_server_error(stack: Stack, examples: int) -> None:
    with httpx2.Client(base_url=stack.url(), timeout=30) as http, ThreadPoolExecutor(AT_ONCE) as pool:
        conversation = http.post("/conversations", json={}).json()["id"]

        def law(request: tuple[str, bytes]) -> None:
            route, body = request
            # In the background: how the model's answer looks is not what is tried here.
            content = _in_background(body) if route == "/responses" else body
            answer = http.post(route.format(conversation=conversation), content=content)
            allowed = (200, 400, 404, 413, *([502] * (route in ASKING)))
            assert answer.status_code in allowed, (request, answer.text[:200])
            if answer.status_code != 200:
                assert answer.json()["error"].keys() == {"message", "type", "param", "code"}, request
            elif route == "/responses":
                assert http.get(f"/responses/{answer.json()['id']}").status_code == 200, request

        assert len(list(pool.map(law, fuzzed(posted, examples)))) >= examples
        for path in (
            "/responses?limit=100",
            "/conversations?limit=100",
            f"/conversations/{conversation}/items?limit=100",
        ):
            assert http.get(path).status_code == 200


@pytest.mark.made_up
@short_and_long(MESSAGES, MANY_MESSAGES)
def test_no_message_makes_a_server_error_or_ends_a_connection(stack: Stack, examples: int) -> None:
    sent = fuzzed(messages, examples)

    def law(of: int) -> None:
        with RawSocket(stack.url()) as socket:
            for message, binary in sent[of::AT_ONCE]:
                socket.send(message if binary else message.decode())
                told = socket.until(*ENDS, "response.steer.failed")[-1]
                assert told.get("status", 200) in (200, 400, 404, 413), (message, told)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(law, range(AT_ONCE)))


def _in_background(body: bytes) -> bytes:
    """The same body, but answered at once, if it can be understood at all."""
    try:
        fields = json.loads(body)
    except ValueError:
        return body
    return json.dumps(fields | {"background": True, "stream": False}).encode() if isinstance(fields, dict) else body
