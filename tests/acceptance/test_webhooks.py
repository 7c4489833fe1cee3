"""G24: webhooks reach their receivers at least once, signed, under one id, whatever receivers and workers do."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from openai import BadRequestError, OpenAI
from openai.types.webhooks import WebhookEndpointWithSecret

from tests.acceptance.conftest import REQUEST_SECONDS
from tests.acceptance.turns import answer, ended, script_gated
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.services import Postgres
from tests.stack import Stack
from tests.upstream_steps import Reply
from tests.webhook_receiver import SILENCE, Received, Receiver

COMPLETED = "response.completed"
SETTINGS = {
    "SECRET_KEY": "s" * 32,
    "OUTBOUND_NETWORKS": "127.0.0.0/8",
    "WEBHOOK_SECONDS": 1,
    "WEBHOOK_RETRY_SECONDS": 0.2,
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def hooked(request: pytest.FixtureRequest, new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A server that may call receivers on this machine."""
    options: dict[str, object] = {"settings": SETTINGS, "apis": 1}
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        options["database_url"] = postgres.create_migrated_database(f"webhooks_{uuid4().hex[:12]}")
    with new_stack(**options) as stack:
        yield stack


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def sdk(hooked: Stack) -> Iterator[OpenAI]:
    with OpenAI(base_url=hooked.url(), api_key="unused", timeout=REQUEST_SECONDS, max_retries=0) as client:
        yield client


@pytest.fixture
def path() -> str:
    """Where only this test's endpoint is."""
    return f"/{uuid4().hex}"


@pytest.fixture
def endpoint(sdk: OpenAI, receiver: Receiver, path: str) -> Iterator[WebhookEndpointWithSecret]:
    """An endpoint for all events."""
    kinds: Any = sdk.webhooks.event_types.list().data
    made = sdk.webhooks.create(name="test", url=receiver.url(path), event_types=kinds)
    yield made
    sdk.webhooks.delete(made.id)


def say(sdk: OpenAI, upstream: ScriptedUpstream, topic: str, **more: Any) -> str:
    """A background turn that completes; its id."""
    upstream.script(topic, answer("Hello."))
    return sdk.responses.create(model="m", input=topic, background=True, **more).id


def unwrapped(sdk: OpenAI, call: Received, secret: str) -> Any:
    return sdk.webhooks.unwrap(call.body, dict(call.headers), secret=secret)


def deliveries(sdk: OpenAI, endpoint_id: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = httpx2.get(f"{sdk.base_url}webhook_endpoints/{endpoint_id}/deliveries").json()["data"]
    return data


def test_the_official_sdk_accepts_what_the_receiver_got(
    sdk: OpenAI,
    upstream: ScriptedUpstream,
    receiver: Receiver,
    endpoint: WebhookEndpointWithSecret,
    path: str,
    topic: str,
) -> None:
    response_id = say(sdk, upstream, topic)
    (call,) = receiver.wait_for(1, path)
    event = unwrapped(sdk, call, endpoint.signing_secret)
    assert (event.type, event.data.id, event.object) == (COMPLETED, response_id, "event")
    assert call.event.keys() == {"id", "object", "created_at", "type", "data"}
    assert call.event["data"] == {"id": response_id}
    assert sdk.responses.retrieve(event.data.id).status == "completed"
    eventually(lambda: deliveries(sdk, endpoint.id)[0]["status"] == "delivered")


def test_every_end_is_told(
    sdk: OpenAI,
    upstream: ScriptedUpstream,
    receiver: Receiver,
    endpoint: WebhookEndpointWithSecret,
    path: str,
    topic: str,
) -> None:
    upstream.script(f"{topic}-failed", [Reply(400, b"{}")])
    upstream.script(f"{topic}-incomplete", answer("Hel", finish="length"))
    script_gated(upstream, f"{topic}-cancelled")
    made = {
        sdk.responses.create(model="m", input=f"{topic}-{end}", background=True).id: f"response.{end}"
        for end in ("failed", "incomplete", "cancelled")
    }
    upstream.wait_at(f"{topic}-cancelled")
    sdk.responses.cancel(list(made)[-1])
    calls = receiver.wait_for(3, path)
    told = [unwrapped(sdk, call, endpoint.signing_secret) for call in calls]
    assert {event.data.id: event.type for event in told} == made


def test_only_background_turns_and_the_wanted_events_are_told(
    sdk: OpenAI,
    upstream: ScriptedUpstream,
    receiver: Receiver,
    endpoint: WebhookEndpointWithSecret,
    path: str,
    topic: str,
) -> None:
    sdk.webhooks.update(endpoint.id, event_types=[COMPLETED])
    upstream.script(f"{topic}-incomplete", answer("Hel", finish="length"))
    sdk.responses.create(model="m", input=topic)
    unwanted = sdk.responses.create(model="m", input=f"{topic}-incomplete", background=True)
    ended(sdk, unwanted.id)
    wanted = say(sdk, upstream, topic)
    assert [call.event["data"]["id"] for call in receiver.wait_for(1, path)] == [wanted]


@pytest.mark.parametrize("fault", [500, 302, SILENCE], ids=["500", "302", "slow"])
def test_what_is_not_taken_is_sent_again_under_the_same_id(
    sdk: OpenAI,
    upstream: ScriptedUpstream,
    receiver: Receiver,
    endpoint: WebhookEndpointWithSecret,
    path: str,
    topic: str,
    fault: int,
) -> None:
    """And redirects are not followed."""
    receiver.answer(path, fault, fault)
    say(sdk, upstream, topic)
    calls = receiver.wait_for(3, path)
    assert len({call.message_id for call in calls}) == len({call.body for call in calls}) == 1
    assert unwrapped(sdk, calls[-1], endpoint.signing_secret).type == COMPLETED
    eventually(lambda: deliveries(sdk, endpoint.id)[0]["status"] == "delivered")
    (delivery,) = deliveries(sdk, endpoint.id)
    assert (delivery["id"], delivery["attempts"], delivery["last_answer"]) == (calls[0].message_id, 3, "204")
    assert receiver.at("/followed") == []


def test_one_that_is_gone_is_left_alone_until_it_is_changed(
    sdk: OpenAI,
    upstream: ScriptedUpstream,
    receiver: Receiver,
    endpoint: WebhookEndpointWithSecret,
    path: str,
    topic: str,
) -> None:
    receiver.answer(path, 410)
    say(sdk, upstream, topic)
    receiver.wait_for(1, path)
    eventually(lambda: facts(sdk, endpoint.id)["disabled_at"] is not None)
    ended(sdk, say(sdk, upstream, topic))
    sdk.webhooks.update(endpoint.id, name="back")
    assert facts(sdk, endpoint.id)["disabled_at"] is None
    last = say(sdk, upstream, topic)
    assert [call.event["data"]["id"] for call in receiver.wait_for(2, path)][1:] == [last]


def test_a_slow_or_dead_receiver_holds_up_no_other(
    sdk: OpenAI,
    upstream: ScriptedUpstream,
    receiver: Receiver,
    endpoint: WebhookEndpointWithSecret,
    path: str,
    topic: str,
) -> None:
    slow, dead = f"{path}-slow", "http://127.0.0.1:1024/"
    receiver.answer(slow, *[SILENCE] * 20)
    others = [
        sdk.webhooks.create(name="other", url=url, event_types=[COMPLETED]).id for url in (receiver.url(slow), dead)
    ]
    made = {say(sdk, upstream, f"{topic}-{number}") for number in range(6)}
    calls = receiver.wait_for(6, path, seconds=8)
    assert {call.event["data"]["id"] for call in calls} == made
    for other in others:
        assert sdk.webhooks.delete(other).deleted


def test_a_worker_that_dies_before_or_while_it_sends_loses_no_event(
    hooked: Stack,
    sdk: OpenAI,
    upstream: ScriptedUpstream,
    receiver: Receiver,
    endpoint: WebhookEndpointWithSecret,
    path: str,
    topic: str,
) -> None:
    """kill -9 between the commit of an end and its sending; and again in the middle of that."""
    (worker,) = hooked.workers
    worker.kill()
    made = sdk.responses.create(model="m", input=topic, background=True)
    sdk.responses.cancel(made.id)
    assert deliveries(sdk, endpoint.id)[0]["attempts"] == 0
    receiver.answer(path, SILENCE)
    worker.start()
    worker.wait_ready()
    receiver.wait_for(1, path)
    worker.kill()
    worker.start()
    worker.wait_ready()
    first, second = receiver.wait_for(2, path)
    assert first.message_id == second.message_id
    assert unwrapped(sdk, second, endpoint.signing_secret).data.id == made.id


def test_a_rotated_secret_signs_alone_or_for_a_day_beside_the_new_one(
    sdk: OpenAI,
    upstream: ScriptedUpstream,
    receiver: Receiver,
    endpoint: WebhookEndpointWithSecret,
    path: str,
    topic: str,
) -> None:
    second = sdk.webhooks.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
    say(sdk, upstream, topic)
    (call,) = receiver.wait_for(1, path)
    for secret in (endpoint.signing_secret, second.signing_secret):
        assert unwrapped(sdk, call, secret).type == COMPLETED
    third = sdk.webhooks.rotate_secret(endpoint.id)
    say(sdk, upstream, topic)
    call = receiver.wait_for(2, path)[-1]
    assert call.headers["webhook-signature"].count("v1,") == 1
    assert unwrapped(sdk, call, third.signing_secret).type == COMPLETED
    assert third.signing_secret_hint == f"whsec_…{third.signing_secret[-4:]}"


def test_a_test_tells_what_the_receiver_answers(
    sdk: OpenAI, receiver: Receiver, endpoint: WebhookEndpointWithSecret, path: str
) -> None:
    receiver.answer(path, 418)
    tested = sdk.webhooks.test(endpoint.id, event_type="response.failed")
    assert (tested.success, tested.status_code, tested.event_type) == (True, 418, "response.failed")
    (call,) = receiver.at(path)
    assert unwrapped(sdk, call, endpoint.signing_secret).type == "response.failed"
    receiver.answer(path, SILENCE)
    with pytest.raises(BadRequestError, match="gave no answer"):
        sdk.webhooks.test(endpoint.id, event_type="response.failed")


def test_endpoints_are_made_changed_listed_and_deleted(sdk: OpenAI, endpoint: WebhookEndpointWithSecret) -> None:
    other = sdk.webhooks.create(name="other", url="https://example.com/x", event_types=["response.failed"])
    assert [one.id for one in sdk.webhooks.list(limit=1)] == [other.id, endpoint.id]
    changed = sdk.webhooks.update(other.id, url="https://example.com/y")
    assert (changed.name, changed.url, changed.event_types) == ("other", "https://example.com/y", ["response.failed"])
    assert sdk.webhooks.retrieve(other.id) == changed
    assert not hasattr(changed, "signing_secret")
    assert sdk.webhooks.delete(other.id).deleted
    assert [one.id for one in sdk.webhooks.list()] == [endpoint.id]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://user@example.com/"}, "url"),
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": 5}, "url"),
        ({"event_types": ["batch.completed"]}, "event_types"),
        ({"event_types": []}, "event_types"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
    ],
)
def test_what_cannot_be_is_refused_by_name_when_made_and_when_changed(
    sdk: OpenAI, endpoint: WebhookEndpointWithSecret, changes: dict[str, Any], param: str
) -> None:
    good = {"name": "n", "url": "https://example.com/", "event_types": [COMPLETED]}
    for address, body in (("", good | changes), (f"/{endpoint.id}", changes)):
        refused = httpx2.post(f"{sdk.base_url}webhook_endpoints{address}", json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"].startswith(param)


def test_an_owner_has_no_more_than_ten(sdk: OpenAI) -> None:
    hook: Any = {"name": "n", "url": "https://example.com/", "event_types": ["response.failed"]}
    made = [sdk.webhooks.create(**hook).id for _ in range(10)]
    with pytest.raises(BadRequestError, match="At most 10"):
        sdk.webhooks.create(**hook)
    for one in made:
        sdk.webhooks.delete(one)


def test_the_log_holds_no_secret_and_no_url(
    hooked: Stack,
    sdk: OpenAI,
    upstream: ScriptedUpstream,
    receiver: Receiver,
    endpoint: WebhookEndpointWithSecret,
    path: str,
    topic: str,
) -> None:
    """URLs may carry keys of their owners."""
    receiver.answer(path, 500)
    response_id = say(sdk, upstream, topic)
    eventually(lambda: {"webhook_failed", "webhook_delivered"} <= {*logged_events(hooked, response_id)})
    logged = hooked.log_text()
    assert endpoint.signing_secret not in logged
    assert path not in logged


def logged_events(stack: Stack, response_id: str) -> list[str]:
    """The names of what was logged about webhooks of this response."""
    lines = [line for line in stack.log_text().splitlines() if response_id in line]
    return re.findall(r"webhook_\w+", " ".join(lines))


def facts(sdk: OpenAI, endpoint_id: str) -> dict[str, Any]:
    told: Any = sdk.webhooks.retrieve(endpoint_id)
    return dict(told.turnstone)
