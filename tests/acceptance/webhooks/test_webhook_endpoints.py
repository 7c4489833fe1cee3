"""Webhook endpoints as their owner makes, tests, changes and deletes them."""

from typing import Any

import httpx2
import pytest
from openai import BadRequestError, OpenAI
from sqlalchemy import update

from shared.store.engine import Database
from shared.store.tables import WEBHOOK_ENDPOINT
from tests.acceptance.webhooks.conftest import Hook
from tests.stack import Stack
from tests.webhook_receiver import SILENCE


def test_a_test_tells_what_the_receiver_answers(hook: Hook) -> None:
    hook.receiver.answer(hook.path, 418)
    tested = hook.sdk.webhooks.test(hook.endpoint.id, event_type="response.failed")
    assert (tested.success, tested.status_code, tested.event_type) == (True, 418, "response.failed")
    (call,) = hook.receiver.at(hook.path)
    assert hook.unwrapped(call).type == "response.failed"
    hook.receiver.answer(hook.path, SILENCE)
    with pytest.raises(BadRequestError, match="gave no answer"):
        hook.sdk.webhooks.test(hook.endpoint.id, event_type="response.failed")


def test_nothing_is_sent_that_cannot_be_signed(hooked: Stack, hook: Hook) -> None:
    """As after TURNSTONE_SECRET_KEY was changed; a new secret mends it."""
    database = Database(hooked.environment["TURNSTONE_DATABASE_URL"])
    with database.write() as connection:
        mine = WEBHOOK_ENDPOINT.c.id == hook.endpoint.id
        connection.execute(update(WEBHOOK_ENDPOINT).where(mine).values(sealed="sealed elsewhere"))
    database.close()
    with pytest.raises(BadRequestError, match="rotate"):
        hook.sdk.webhooks.test(hook.endpoint.id, event_type="response.failed")
    assert hook.receiver.at(hook.path) == []
    hook.sdk.webhooks.rotate_secret(hook.endpoint.id)
    assert hook.sdk.webhooks.test(hook.endpoint.id, event_type="response.failed").success


def test_endpoints_are_made_changed_listed_and_deleted(sdk: OpenAI, hook: Hook) -> None:
    other = sdk.webhooks.create(name="other", url="https://example.com/x", event_types=["response.failed"])
    assert [one.id for one in sdk.webhooks.list(limit=1)] == [other.id, hook.endpoint.id]
    changed = sdk.webhooks.update(other.id, url="https://example.com/y")
    assert (changed.name, changed.url, changed.event_types) == ("other", "https://example.com/y", ["response.failed"])
    assert sdk.webhooks.retrieve(other.id) == changed
    assert not hasattr(changed, "signing_secret")
    assert sdk.webhooks.delete(other.id).deleted
    assert [one.id for one in sdk.webhooks.list()] == [hook.endpoint.id]


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
    hook: Hook, changes: dict[str, Any], param: str
) -> None:
    good = {"name": "n", "url": "https://example.com/", "event_types": ["response.completed"]}
    for address, body in (("", good | changes), (f"/{hook.endpoint.id}", changes)):
        refused = httpx2.post(f"{hook.sdk.base_url}webhook_endpoints{address}", json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"].startswith(param)


def test_an_owner_has_no_more_than_ten(sdk: OpenAI) -> None:
    hook: Any = {"name": "n", "url": "https://example.com/", "event_types": ["response.failed"]}
    made = [sdk.webhooks.create(**hook).id for _ in range(10)]
    with pytest.raises(BadRequestError, match="At most 10"):
        sdk.webhooks.create(**hook)
    for one in made:
        sdk.webhooks.delete(one)
