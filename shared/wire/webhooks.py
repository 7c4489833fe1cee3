"""Webhook endpoints over HTTP: what is asked, and what is answered."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.wire.answers import Answer, Page
from shared.wire.requests import Strict

EventTypeName = Literal["response.completed", "response.failed", "response.incomplete", "response.cancelled"]
EndpointName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,256}$")]
EndpointUrl = Annotated[str, StringConstraints(max_length=2048)]
EventTypes = Annotated[list[EventTypeName], Field(min_length=1, max_length=64)]


class CreateWebhookEndpoint(Strict):
    """The body of POST /v1/webhook_endpoints."""

    name: EndpointName
    url: EndpointUrl
    event_types: EventTypes


class UpdateWebhookEndpoint(Strict):
    """The body of POST /v1/webhook_endpoints/{id}; what is left out stays."""

    name: EndpointName | None = None
    url: EndpointUrl | None = None
    event_types: EventTypes | None = None


class RotateWebhookSecret(Strict):
    """The body of POST /v1/webhook_endpoints/{id}/rotate_secret."""

    keep_old_secret_active_for_24_hours: bool | None = None


class TestWebhookEndpoint(Strict):
    """The body of POST /v1/webhook_endpoints/{id}/test."""

    event_type: EventTypeName


class WebhookFacts(Answer):
    """What this server says beyond the published API. `disabled_at`: when the receiver answered 410."""

    disabled_at: int | None


class WebhookEndpoint(Answer):
    """Where events are sent."""

    id: str
    object: Literal["webhook_endpoint"]
    created_at: int
    updated_at: int
    name: str
    url: str
    event_types: list[EventTypeName]
    signing_secret_hint: str
    turnstone: WebhookFacts


class WebhookEndpointWithSecret(WebhookEndpoint):
    """The same, with the secret that is shown this once."""

    signing_secret: str


class WebhookEndpointPage(Page):
    """Webhook endpoints."""

    data: list[WebhookEndpoint]


class DeletedWebhookEndpoint(Answer):
    """A webhook endpoint that was deleted."""

    id: str
    object: Literal["webhook_endpoint.deleted"]
    deleted: Literal[True]


class WebhookTestResult(Answer):
    """What the receiver answered."""

    object: Literal["webhook_endpoint.test"]
    webhook_endpoint_id: str
    event_type: EventTypeName
    success: Literal[True]
    status_code: int


class WebhookDelivery(Answer):
    """A webhook and what became of it; `id` is its `webhook-id`, `last_answer` the status or why there was none."""

    id: str
    object: Literal["webhook_endpoint.delivery"]
    event_type: EventTypeName
    response_id: str
    created_at: int
    attempts: int
    status: Literal["pending", "delivered", "given_up"]
    last_answer: str | None
    next_attempt_at: int | None


class WebhookDeliveryList(Answer):
    """The last of what was sent, newest first."""

    object: Literal["list"]
    data: list[WebhookDelivery]


class WebhookEventTypeList(Answer):
    """The events there are."""

    object: Literal["list"]
    data: list[EventTypeName]
