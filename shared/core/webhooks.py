"""What a webhook says, how it is signed (Standard Webhooks), and when it is sent again."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from shared.wire.webhooks import EventTypeName

EVENT_TYPES: Final[tuple[str, ...]] = get_args(EventTypeName)

GIVEN_UP_SECONDS: Final = 72 * 3600
_LONGEST_PAUSE_SECONDS: Final = 6 * 3600
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how secrets begin


def event(event_type: str, response_id: str, created_at: int) -> dict[str, object]:
    """The body: ids only, whoever receives it fetches the response. A response has one end, so one event id."""
    return {
        "id": "evt_" + response_id.removeprefix("resp_"),
        "object": "event",
        "created_at": created_at,
        "type": event_type,
        "data": {"id": response_id},
    }


def webhook_id(response_id: str, endpoint_id: str) -> str:
    """What this message is called each time that it is sent to this endpoint, whoever sends it."""
    return "wh_" + hashlib.sha256(f"{response_id} {endpoint_id}".encode()).hexdigest()[:48]


def signed_headers(message_id: str, at: int, body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """The headers of a message, with a signature by each secret; `at` in seconds since the epoch."""
    text = f"{message_id}.{at}.".encode() + body
    signatures = [f"v1,{_signature(text, secret)}" for secret in secrets]
    return {
        "content-type": "application/json",
        "user-agent": "Turnstone",
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
    }


def secret_of(key: bytes) -> str:
    """A signing secret as its owner is shown it."""
    return _SECRET_PREFIX + base64.b64encode(key).decode()


def hint_of(secret: str) -> str:
    """What may be shown of a secret later."""
    return f"{_SECRET_PREFIX}…{secret[-4:]}"


def pause_seconds(attempt: int, first_seconds: float, jitter: float) -> float:
    """The wait after attempt number `attempt` (from 1): doubled each time, spread by `jitter` in [0, 1)."""
    return min(first_seconds * 2.0 ** min(attempt - 1, 32), _LONGEST_PAUSE_SECONDS) * (0.75 + jitter / 2)


def _signature(text: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, text, "sha256")).decode()
