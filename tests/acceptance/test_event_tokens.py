"""A page reads one response's events without an API key: by a token for it alone, from an origin that may (S2)."""

from collections.abc import Iterator

import httpx2
import pytest
from pydantic import SecretStr

from shared.sealing import Purpose, Seal
from tests.acceptance.turns import answer, script_gated
from tests.raw_http import RawStream, numbers
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack

ORIGIN = "https://app.example"


@pytest.fixture
def made(http: httpx2.Client, upstream: ScriptedUpstream, topic: str) -> Iterator[str]:
    """A background response, half said."""
    script_gated(upstream, topic)
    yield http.post("/responses", json={"model": "m", "input": topic, "background": True}).json()["id"]
    upstream.open(topic)


def token_for(http: httpx2.Client, response_id: str) -> str:
    answered = http.post(f"/responses/{response_id}/events/token")
    assert answered.status_code == 200
    assert answered.json()["object"] == "response.events_token"
    return str(answered.json()["token"])


def test_a_token_opens_the_events_on_any_process(
    stack: Stack, http: httpx2.Client, upstream: ScriptedUpstream, topic: str, made: str
) -> None:
    token = token_for(http, made)
    upstream.open(topic)
    with RawStream.get(stack.url(1), f"/responses/{made}/events?token={token}") as stream:
        events = list(stream.events())
    assert numbers(events) == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"


def test_a_token_opens_no_other_response(
    http: httpx2.Client, upstream: ScriptedUpstream, topic: str, made: str
) -> None:
    """The same answer as for an id that nobody has."""
    upstream.script(f"other {topic}", answer("x"))
    other = http.post("/responses", json={"model": "m", "input": f"other {topic}", "background": True}).json()["id"]
    refused = http.get(f"/responses/{other}/events", params={"token": token_for(http, made)})
    unknown = http.get(f"/responses/{other}/events", params={"token": "x"})
    assert refused.status_code == unknown.status_code == 404
    assert refused.json() == unknown.json()


@pytest.mark.parametrize(
    ("key", "purpose"),
    [("s" * 33, Purpose.EVENT_TOKEN), ("s" * 32, Purpose.REASONING)],
    ids=["another key", "another purpose"],
)
def test_a_token_made_elsewhere_opens_nothing(http: httpx2.Client, made: str, key: str, purpose: Purpose) -> None:
    forged = Seal(SecretStr(key), purpose).close(made, "default")
    assert http.get(f"/responses/{made}/events", params={"token": forged}).status_code == 404


def test_no_token_is_made_for_an_unknown_response(http: httpx2.Client) -> None:
    answered = http.post(f"/responses/resp_{'0' * 48}/events/token")
    assert answered.status_code == 404


def test_a_page_of_a_known_origin_may_read_and_resume(stack: Stack, http: httpx2.Client, made: str) -> None:
    asked = http.options(
        f"/responses/{made}/events",
        headers={
            "origin": ORIGIN,
            "access-control-request-method": "GET",
            "access-control-request-headers": "last-event-id,authorization",
        },
    )
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert "last-event-id" in asked.headers["access-control-allow-headers"].lower()
    with RawStream.get(stack.url(), f"/responses/{made}/events", headers={"origin": ORIGIN}) as stream:
        assert stream.headers["access-control-allow-origin"] == ORIGIN


def test_a_page_of_another_origin_may_not(http: httpx2.Client, made: str) -> None:
    answered = http.get(f"/responses/{made}", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answered.headers
