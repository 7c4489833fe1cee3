"""G24: what is signed here, the official SDK accepts; what was changed on its way, it does not."""

import time

import orjson
import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from openai.types.webhooks import ResponseCancelledWebhookEvent

from shared import ids
from shared.core.turn_status import TERMINAL
from shared.core.webhooks import EVENT_TYPES, event, hint_of, pause_seconds, secret_of, signed_headers, webhook_id

SECRETS = [secret_of(bytes([number]) * 32) for number in (1, 2)]
RESPONSE = ids.new_response_id()
BODY = orjson.dumps(event("response.cancelled", RESPONSE, 1_750_000_000))
SDK = OpenAI(api_key="unused", base_url="http://127.0.0.1:1")


def test_the_sdk_reads_what_was_signed_with_any_of_the_secrets() -> None:
    headers = signed_headers(webhook_id(RESPONSE, "we_1"), int(time.time()), BODY, SECRETS)
    for secret in SECRETS:
        read = SDK.webhooks.unwrap(BODY, headers, secret=secret)
        assert isinstance(read, ResponseCancelledWebhookEvent)
        assert (read.data.id, read.created_at, read.object) == (RESPONSE, 1_750_000_000, "event")
        assert read.id.startswith("evt_")


@pytest.mark.parametrize("changed", ["secret", "body", "webhook-id", "webhook-timestamp"])
def test_what_was_changed_is_refused(changed: str) -> None:
    headers = dict(signed_headers("wh_1", int(time.time()), BODY, SECRETS[:1]))
    if changed in headers:
        headers[changed] = {"webhook-id": "wh_2", "webhook-timestamp": str(int(time.time()) + 1)}[changed]
    body = BODY.replace(b"cancelled", b"completed") if changed == "body" else BODY
    with pytest.raises(InvalidWebhookSignatureError):
        SDK.webhooks.unwrap(body, headers, secret=SECRETS[changed == "secret"])


def test_each_end_of_a_turn_has_its_event() -> None:
    assert set(EVENT_TYPES) == {f"response.{status}" for status in TERMINAL}


def test_a_message_has_one_name_and_endpoints_have_their_own() -> None:
    names = {webhook_id(response, endpoint) for response in ("resp_1", "resp_2") for endpoint in ("we_1", "we_2")}
    assert len(names) == 4
    assert webhook_id("resp_1", "we_1") in names


def test_a_hint_tells_hardly_anything_of_the_secret() -> None:
    assert hint_of(SECRETS[0]) == f"whsec_…{SECRETS[0][-4:]}"


def test_pauses_double_up_to_six_hours_and_are_spread_by_half() -> None:
    assert [pause_seconds(attempt, 30, 0.5) for attempt in (1, 2, 3)] == [30, 60, 120]
    assert pause_seconds(1, 30, 0) == 22.5
    assert pause_seconds(1000, 30, 0.5) == 6 * 3600
    assert sum(pause_seconds(attempt, 30, 0.5) for attempt in range(1, 20)) > 60 * 3600
