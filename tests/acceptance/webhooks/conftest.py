"""A server that may call receivers on this machine, a receiver, and an endpoint of the test's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from openai import OpenAI
from openai.types.webhooks import WebhookEndpointWithSecret

from tests.acceptance.conftest import REQUEST_SECONDS
from tests.acceptance.turns import answer
from tests.scripted_upstream import ScriptedUpstream
from tests.services import Postgres
from tests.stack import Stack
from tests.webhook_receiver import Received, Receiver

SETTINGS = {
    "SECRET_KEY": "s" * 32,
    "OUTBOUND_NETWORKS": "127.0.0.0/8",
    "WEBHOOK_SECONDS": 2,
    "WEBHOOK_RETRY_SECONDS": 0.2,
}


@dataclass(frozen=True, slots=True)
class Hook:
    """An endpoint for all events, at a path of the receiver where nothing else is."""

    endpoint: WebhookEndpointWithSecret
    path: str
    receiver: Receiver
    upstream: ScriptedUpstream
    sdk: OpenAI
    topic: str

    def turn(self, name: str = "") -> str:
        """A background turn that completes; its id."""
        asked = self.topic + name
        self.upstream.script(asked, answer("Hello."))
        return self.sdk.responses.create(model="m", input=asked, background=True).id

    def wait_for(self, count: int, seconds: float = 20.0) -> list[Received]:
        """The calls, as soon as there are so many."""
        return self.receiver.wait_for(count, self.path, seconds)

    def unwrapped(self, call: Received, secret: str | None = None) -> Any:
        """The event, as the official SDK accepts it."""
        return self.sdk.webhooks.unwrap(call.body, dict(call.headers), secret=secret or self.endpoint.signing_secret)

    def deliveries(self) -> list[dict[str, Any]]:
        """What the server says it has sent."""
        answered = httpx2.get(f"{self.sdk.base_url}webhook_endpoints/{self.endpoint.id}/deliveries")
        data: list[dict[str, Any]] = answered.json()["data"]
        return data

    def delivered(self) -> bool:
        """Whether what was sent last was taken."""
        return bool(self.deliveries()[0]["status"] == "delivered")

    def disabled(self) -> bool:
        """Whether the server has given the endpoint up."""
        told: Any = self.sdk.webhooks.retrieve(self.endpoint.id)
        return told.turnstone["disabled_at"] is not None


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def hooked(request: pytest.FixtureRequest, new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """The server, once on each database."""
    options: dict[str, object] = {"settings": SETTINGS, "apis": 1}
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        options["database_url"] = postgres.create_migrated_database(f"webhooks_{uuid4().hex[:12]}")
    with new_stack(**options) as stack:
        yield stack


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Whom it calls."""
    with Receiver() as running:
        yield running


@pytest.fixture
def sdk(hooked: Stack) -> Iterator[OpenAI]:
    """The official SDK at the server."""
    with OpenAI(base_url=hooked.url(), api_key="unused", timeout=REQUEST_SECONDS, max_retries=0) as client:
        yield client


@pytest.fixture
def hook(sdk: OpenAI, receiver: Receiver, upstream: ScriptedUpstream, topic: str) -> Iterator[Hook]:
    """An endpoint of the test's own."""
    kinds: Any = sdk.webhooks.event_types.list().data
    path = f"/{topic}"
    made = sdk.webhooks.create(name="test", url=receiver.url(path), event_types=kinds)
    yield Hook(made, path, receiver, upstream, sdk, topic)
    sdk.webhooks.delete(made.id)
