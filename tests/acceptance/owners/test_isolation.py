"""I1: what is somebody else's is unknown: the very same answer, on every route, in every position, on every channel.

The routes are those of the OpenAPI document: a new one fails here until it says how it is asked about a foreign id.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx2
import pytest

from api.main import create_app
from shared import ids
from shared.settings import Settings
from tests.acceptance.owners.conftest import Closed
from tests.raw_http import RawStream

ROUTES = sorted(
    f"{method.upper()} {path}"
    for path, methods in create_app(Settings()).openapi()["paths"].items()
    for method in methods
)
OPEN = {"GET /healthz", "GET /readyz"}

MESSAGE = {"type": "message", "role": "user", "content": "hello"}

# What a route with an id in its path is sent; the others name ids in their bodies and queries, below, or none at all.
BODIES: dict[str, Any] = {
    "POST /v1/conversations/{conversation_id}": {"metadata": {"a": "b"}},
    "POST /v1/conversations/{conversation_id}/items": {"items": [MESSAGE]},
    "POST /v1/webhook_endpoints/{webhook_endpoint_id}": {"name": "stolen", "url": "https://example.com/bert"},
    "POST /v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret": {},
    "POST /v1/webhook_endpoints/{webhook_endpoint_id}/test": {"event_type": "response.completed"},
}
NO_ID_OF_OURS = {"GET /v1/models/{model}", "GET /metrics"}


@dataclass(frozen=True, slots=True)
class Things:
    """Ids: somebody's, or nobody's."""

    response_id: str
    conversation_id: str
    item_id: str
    input_id: str
    webhook_endpoint_id: str


@pytest.fixture(scope="module")
def unknown() -> Things:
    return Things(
        ids.new_response_id(),
        ids.new_conversation_id(),
        ids.new_item_id("message"),
        ids.new_item_id("message"),
        ids.new_webhook_endpoint_id(),
    )


def things_of(client: httpx2.Client, text: str) -> Things:
    """One of each, made by this caller."""
    made = client.post("/conversations", json={"items": [MESSAGE], "metadata": {"topic": text}}).json()["id"]
    (item,) = client.get(f"/conversations/{made}/items").json()["data"]
    body = {"model": "m", "input": text, "background": True, "stream": True, "metadata": {"topic": text}}
    with RawStream.post(str(client.base_url).rstrip("/"), "/responses", body, dict(client.headers)) as stream:
        response = list(stream.events())[-1]["response"]["id"]
    (own,) = client.get(f"/responses/{response}/input_items").json()["data"]
    hook = {"name": text, "url": "https://example.com/hook", "event_types": ["response.cancelled"]}
    endpoint = client.post("/webhook_endpoints", json=hook).json()
    return Things(response, made, item["id"], own["id"], endpoint["id"])


@pytest.fixture(scope="session")
def annas(anna: httpx2.Client, said: str) -> Things:
    """Nothing that these tests do may change them."""
    return things_of(anna, said)


@pytest.fixture(scope="session")
def berts(bert: httpx2.Client, said: str) -> Things:
    return things_of(bert, said)


def told(client: httpx2.Client, things: Things, method: str, path: str, **more: Any) -> tuple[Any, ...]:
    """The whole answer, with the ids asked about left out and what differs between any two answers."""
    answered = client.request(method, path, **more)
    headers = {k: v for k, v in answered.headers.items() if k not in ("date", "x-request-id", "content-length")}
    text = answered.text
    for name in Things.__slots__:
        text = text.replace(getattr(things, name), f"<{name}>")
    return answered.status_code, headers, text


def asked_about(route: str) -> bool:
    return "{" in route and route not in NO_ID_OF_OURS


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in OPEN])
def test_no_route_answers_without_a_key(closed: Closed, route: str) -> None:
    method, path = route.split(" ")
    address = closed.stack.url().removesuffix("/v1") + re.sub(r"\{\w+\}", "x", path)
    assert httpx2.request(method, address, json={}).status_code == 401


@pytest.mark.parametrize("route", [route for route in ROUTES if asked_about(route)])
def test_a_foreign_id_in_the_path_is_an_unknown_one(
    bert: httpx2.Client, annas: Things, berts: Things, unknown: Things, route: str
) -> None:
    """All ids of the path foreign; and the last one foreign, below something of the caller's own."""
    method, path = route.split(" ")
    names = re.findall(r"\{(\w+)\}", path)
    below: list[Callable[[Things], dict[str, str]]] = [lambda t: {n: getattr(t, n) for n in names}]
    if len(names) > 1:
        below.append(lambda t: {names[0]: getattr(berts, names[0]), names[1]: getattr(t, names[1])})
    for fill in below:
        answers = [
            told(bert, t, method, path.removeprefix("/v1").format(**fill(t)), json=BODIES.get(route))
            for t in (annas, unknown)
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404


@pytest.mark.parametrize(
    "body",
    [
        lambda t: {"previous_response_id": t.response_id, "input": "x"},
        lambda t: {"conversation": t.conversation_id, "input": "x"},
        lambda t: {"conversation": {"id": t.conversation_id}, "input": "x"},
        lambda t: {"input": [{"type": "item_reference", "id": t.item_id}]},
        lambda t: {"input": [{"type": "item_reference", "id": t.input_id}]},
    ],
    ids=["previous_response_id", "conversation", "conversation object", "item of a conversation", "item of a response"],
)
@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/responses", {}),
        ("/responses", {"stream": True}),
        ("/responses", {"background": True}),
        ("/responses/input_tokens", {}),
        ("/responses/compact", {}),
    ],
    ids=["foreground", "streamed", "background", "counted", "compacted"],
)
def test_a_foreign_id_in_a_turn_is_an_unknown_one(
    bert: httpx2.Client,
    annas: Things,
    unknown: Things,
    body: Callable[[Things], dict[str, Any]],
    path: str,
    way: dict[str, bool],
) -> None:
    answers = [told(bert, t, "POST", path, json={"model": "m", **body(t), **way}) for t in (annas, unknown)]
    assert answers[0] == answers[1]
    assert answers[0][0] in (400, 404)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/responses", lambda t: {"after": t.response_id}),
        ("/responses", lambda t: {"conversation": t.conversation_id}),
        ("/conversations", lambda t: {"after": t.conversation_id}),
        ("/webhook_endpoints", lambda t: {"after": t.webhook_endpoint_id}),
        ("/responses/{own.response_id}/input_items", lambda t: {"after": t.input_id}),
        ("/conversations/{own.conversation_id}/items", lambda t: {"after": t.item_id}),
        ("/responses/{its.response_id}", lambda _: {"stream": "true"}),
        ("/responses/{its.response_id}", lambda _: {"stream": "true", "starting_after": "0"}),
        ("/responses/{its.response_id}/events", lambda _: {"starting_after": "0"}),
    ],
)
def test_a_foreign_id_in_a_query_is_an_unknown_one(
    bert: httpx2.Client,
    annas: Things,
    berts: Things,
    unknown: Things,
    path: str,
    query: Callable[[Things], dict[str, str]],
) -> None:
    answers = [told(bert, t, "GET", path.format(own=berts, its=t), params=query(t)) for t in (annas, unknown)]
    assert answers[0] == answers[1]


def test_last_event_id_opens_nothing_foreign(bert: httpx2.Client, annas: Things, unknown: Things) -> None:
    answers = [
        told(bert, t, "GET", f"/responses/{t.response_id}/events", headers={"Last-Event-ID": "0"})
        for t in (annas, unknown)
    ]
    assert answers[0] == answers[1]


def test_listings_show_ones_own_alone(bert: httpx2.Client, annas: Things, berts: Things, said: str) -> None:
    """With the very metadata that both have given."""
    for path, own, foreign in (
        ("/responses", berts.response_id, annas.response_id),
        ("/conversations", berts.conversation_id, annas.conversation_id),
        ("/webhook_endpoints", berts.webhook_endpoint_id, annas.webhook_endpoint_id),
    ):
        listed = [one["id"] for one in bert.get(path, params={"metadata[topic]": said}).json()["data"]]
        assert listed == [own], foreign


def test_an_idempotency_key_is_ones_own(anna: httpx2.Client, bert: httpx2.Client, said: str) -> None:
    """The same key and body of two owners make two turns, and the second learns nothing of the first."""
    body = {"model": "m", "input": said, "background": True}
    made = [
        client.post("/responses", json=body, headers={"Idempotency-Key": said}).json()["id"] for client in (anna, bert)
    ]
    assert made[0] != made[1]
    assert bert.get(f"/responses/{made[1]}").status_code == 200
    assert bert.get(f"/responses/{made[0]}").status_code == 404


def test_a_foreign_id_over_a_websocket_is_an_unknown_one(bert: httpx2.Client, annas: Things, unknown: Things) -> None:
    async def ask(things: Things) -> str:
        headers = {"Authorization": bert.headers["authorization"]}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(f"{bert.base_url}responses") as socket,
        ):
            body = {"model": "m", "input": "x", "previous_response_id": things.response_id}
            await socket.send_json({"type": "response.create", **body})
            answered: str = (await socket.receive_str(timeout=15)).replace(things.response_id, "<id>")
            return answered

    answers = [asyncio.run(ask(things)) for things in (annas, unknown)]
    assert answers[0] == answers[1]
    assert "previous_response_not_found" in answers[0]


def test_deleting_in_vain_has_deleted_nothing(anna: httpx2.Client, bert: httpx2.Client, annas: Things) -> None:
    for path in (
        f"/responses/{annas.response_id}",
        f"/conversations/{annas.conversation_id}/items/{annas.item_id}",
        f"/conversations/{annas.conversation_id}",
        f"/webhook_endpoints/{annas.webhook_endpoint_id}",
    ):
        assert bert.delete(path).status_code == 404
        assert anna.get(path).status_code == 200
