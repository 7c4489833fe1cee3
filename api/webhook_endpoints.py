"""/v1/webhook_endpoints: make, list, get, change, delete, rotate_secret, test, deliveries; /v1/webhook_event_types."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import Owner, Runtime
from api.json_response import Json
from api.listing import PageQuery, listed
from api.request_body import read_as
from api.runtime import ApiRuntime
from shared import clock, ids
from shared.core.outbound_url import refuse_unsafe
from shared.core.webhooks import EVENT_TYPES, event, hint_of, secret_of, signed_headers, webhook_id
from shared.errors import InvalidRequest, NotFound
from shared.outbound import Outbound, Unreachable
from shared.store import webhook_outbox, webhooks
from shared.store.engine import Connection
from shared.store.webhook_outbox import Sent
from shared.store.webhooks import Endpoint
from shared.wire.webhooks import (
    CreateWebhookEndpoint,
    RotateWebhookSecret,
    TestWebhookEndpoint,
    UpdateWebhookEndpoint,
)

MOST_ENDPOINTS = 10
_DAY_SECONDS = 86_400

router = APIRouter(prefix="/v1")


@router.post("/webhook_endpoints")
async def create(request: Request, runtime: Runtime, owner: Owner) -> Response:
    """Make an endpoint; its signing secret is shown this once."""
    body = await read_as(CreateWebhookEndpoint, request, runtime.settings.max_body_bytes)
    refuse_unsafe(body.url, runtime.settings.allowed_networks, "url")
    secret = secret_of(ids.new_signing_key())
    now = int(clock.now())
    endpoint_id = ids.new_webhook_endpoint_id()
    endpoint = Endpoint(
        id=endpoint_id,
        name=body.name,
        url=body.url,
        event_types=_in_order(body.event_types),
        hint=hint_of(secret),
        created_at=now,
        updated_at=now,
        sealed=(runtime.webhook_secrets.close(endpoint_id, secret),),
    )
    await runtime.write(_create, owner, endpoint)
    return Json(_body(endpoint) | {"signing_secret": secret})


@router.get("/webhook_endpoints")
async def list_endpoints(runtime: Runtime, owner: Owner, page_request: PageQuery) -> Response:
    """The caller's endpoints, newest first unless asked otherwise."""
    page = await runtime.read(webhooks.page, owner, page_request)
    return listed([_body(endpoint) for endpoint in page.entries], page.has_more)


@router.get("/webhook_endpoints/{webhook_endpoint_id}")
async def get(webhook_endpoint_id: str, runtime: Runtime, owner: Owner) -> Response:
    """An endpoint, without its secret."""
    return Json(_body(await _find(runtime, owner, webhook_endpoint_id)))


@router.post("/webhook_endpoints/{webhook_endpoint_id}")
async def update(webhook_endpoint_id: str, request: Request, runtime: Runtime, owner: Owner) -> Response:
    """Change what is named; an endpoint that was disabled is sent to again."""
    body = await read_as(UpdateWebhookEndpoint, request, runtime.settings.max_body_bytes)
    asked = {name: getattr(body, name) for name in ("name", "url", "event_types") if getattr(body, name) is not None}
    if "url" in asked:
        refuse_unsafe(asked["url"], runtime.settings.allowed_networks, "url")
    if "event_types" in asked:
        asked["event_types"] = _in_order(asked["event_types"])
    endpoint = await _find(runtime, owner, webhook_endpoint_id)
    if endpoint.disabled_at is not None or any(getattr(endpoint, name) != value for name, value in asked.items()):
        await runtime.write(webhooks.change, owner, endpoint.id, int(clock.now()), asked)
    return Json(_body(await _find(runtime, owner, webhook_endpoint_id)))


@router.delete("/webhook_endpoints/{webhook_endpoint_id}")
async def delete(webhook_endpoint_id: str, runtime: Runtime, owner: Owner) -> Response:
    """Delete an endpoint, with all that was still to be sent to it."""
    if not await runtime.write(webhooks.remove, owner, webhook_endpoint_id):
        raise _not_found(webhook_endpoint_id)
    return Json({"id": webhook_endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True})


@router.post("/webhook_endpoints/{webhook_endpoint_id}/rotate_secret")
async def rotate_secret(webhook_endpoint_id: str, request: Request, runtime: Runtime, owner: Owner) -> Response:
    """Make another secret, shown this once; the old one signs beside it for a day if that is asked for."""
    body = await read_as(RotateWebhookSecret, request, runtime.settings.max_body_bytes, optional=True)
    secret = secret_of(ids.new_signing_key())
    sealed = runtime.webhook_secrets.close(webhook_endpoint_id, secret)
    keep_seconds = _DAY_SECONDS if body.keep_old_secret_active_for_24_hours else 0
    now, hint = int(clock.now()), hint_of(secret)
    await runtime.write(
        webhooks.rotate, owner, webhook_endpoint_id, now, sealed=sealed, hint=hint, keep_seconds=keep_seconds
    )
    return Json(_body(await _find(runtime, owner, webhook_endpoint_id)) | {"signing_secret": secret})


@router.post("/webhook_endpoints/{webhook_endpoint_id}/test")
async def test(webhook_endpoint_id: str, request: Request, runtime: Runtime, owner: Owner) -> Response:
    """Send an event of a response that does not exist, once and now; the answer tells the receiver's status."""
    body = await read_as(TestWebhookEndpoint, request, runtime.settings.max_body_bytes)
    endpoint = await _find(runtime, owner, webhook_endpoint_id)
    result = {
        "object": "webhook_endpoint.test",
        "webhook_endpoint_id": endpoint.id,
        "event_type": body.event_type,
        "success": True,
        "status_code": await _send_sample(runtime, endpoint, body.event_type),
    }
    return Json(result)


@router.get("/webhook_endpoints/{webhook_endpoint_id}/deliveries")
async def list_deliveries(
    webhook_endpoint_id: str, runtime: Runtime, owner: Owner, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> Response:
    """What was last to be sent to an endpoint, newest first, and what became of it; kept for a week."""
    endpoint = await _find(runtime, owner, webhook_endpoint_id)
    sent = await runtime.read(webhook_outbox.sent, owner, endpoint.id, limit)
    return Json({"object": "list", "data": [_delivery(one, endpoint.id) for one in sent]})


@router.get("/webhook_event_types")
async def list_event_types(_owner: Owner) -> Response:
    """The events that an endpoint can be sent."""
    return Json({"object": "list", "data": EVENT_TYPES})


async def _send_sample(runtime: ApiRuntime, endpoint: Endpoint, event_type: str) -> int:
    response_id, now = ids.new_response_id(), int(clock.now())
    content = orjson.dumps(event(event_type, response_id, now))
    secrets = runtime.webhook_secrets.open_each(endpoint.id, endpoint.sealed)
    if not secrets:
        text = "The signing secret was sealed with another TURNSTONE_SECRET_KEY than this server's: rotate it."
        raise InvalidRequest(text, code="no_secret_key")
    headers = signed_headers(webhook_id(response_id, endpoint.id), now, content, secrets)
    try:
        outbound = Outbound(runtime.settings.allowed_networks, runtime.settings.webhook_seconds)
        return await outbound.post(endpoint.url, content, headers)
    except Unreachable:
        raise InvalidRequest("The endpoint gave no answer.", "url", "webhook_endpoint_unreachable") from None


async def _find(runtime: ApiRuntime, owner: str, endpoint_id: str) -> Endpoint:
    endpoint = await runtime.read(webhooks.get, owner, endpoint_id)
    if endpoint is None:
        raise _not_found(endpoint_id)
    return endpoint


def _create(connection: Connection, owner: str, endpoint: Endpoint) -> None:
    if webhooks.count(connection, owner) >= MOST_ENDPOINTS:
        raise InvalidRequest(f"At most {MOST_ENDPOINTS} webhook endpoints.", code="too_many_webhook_endpoints")
    webhooks.create(connection, owner, endpoint)


def _in_order(event_types: list[Any]) -> tuple[str, ...]:
    return tuple(one for one in EVENT_TYPES if one in event_types)


def _body(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "signing_secret_hint": endpoint.hint,
        "turnstone": {"disabled_at": None if endpoint.disabled_at is None else int(endpoint.disabled_at)},
    }


def _delivery(sent: Sent, endpoint_id: str) -> dict[str, Any]:
    return {
        "id": webhook_id(sent.response_id, endpoint_id),
        "object": "webhook_endpoint.delivery",
        "event_type": sent.event_type,
        "response_id": sent.response_id,
        "created_at": int(sent.created_at),
        "attempts": sent.attempts,
        "status": _status(sent),
        "last_answer": sent.answer,
        "next_attempt_at": None if sent.next_at is None else int(sent.next_at),
    }


def _status(sent: Sent) -> str:
    if sent.next_at is not None:
        return "pending"
    return "delivered" if (sent.answer or "").startswith("2") else "given_up"


def _not_found(endpoint_id: str) -> NotFound:
    return NotFound(f"Webhook endpoint with id '{endpoint_id[:80]}' not found.", param="webhook_endpoint_id")
