"""What each route takes and answers, for the OpenAPI document; a test sees that no route is missing here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from shared.wire import answers, requests, webhooks
from shared.wire.response import Event

Shape = type[BaseModel]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: its JSON answer (None: text), its body, and the errors that these and its path do not imply.

    `parameters`: those that its function does not name.
    """

    answer: Shape | None
    body: Shape | None = None
    body_required: bool = True
    key_required: bool = True
    streams: type[Any] | None = None
    errors: tuple[int, ...] = ()
    without_envelope: Mapping[int, Shape] = field(default_factory=dict)
    parameters: tuple[dict[str, Any], ...] = ()

    def statuses(self, path: str) -> set[int]:
        """The errors that the route may answer."""
        implied = {400, 500, 503} | ({401} if self.key_required else set())
        implied |= ({404} if "{" in path else set()) | ({413} if self.body else set())
        return implied | ({429} if self.streams else set()) | set(self.errors)


IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeat within a day joins what the first request made.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The number of the last event that was read.",
    "schema": {"type": "string"},
}
METADATA = {
    "name": "metadata",
    "in": "query",
    "style": "deepObject",
    "description": "Only what carries these: `metadata[key]=value`.",
    "schema": {"type": "object", "maxProperties": 16, "additionalProperties": {"type": "string"}},
}

OPERATIONS = {
    "POST /v1/responses": Operation(
        answers.Response, requests.CreateResponse, streams=Event, errors=(404, 422), parameters=(IDEMPOTENCY_KEY,)
    ),
    "POST /v1/responses/compact": Operation(
        answers.CompactedConversation, requests.CompactConversation, errors=(404, 429, 502)
    ),
    "POST /v1/responses/input_tokens": Operation(
        answers.InputTokens, requests.CountInputTokens, errors=(404, 429, 502)
    ),
    "GET /v1/responses": Operation(answers.ResponsePage, parameters=(METADATA,)),
    "GET /v1/responses/{response_id}": Operation(answers.Response, streams=Event),
    "DELETE /v1/responses/{response_id}": Operation(answers.DeletedResponse),
    "POST /v1/responses/{response_id}/cancel": Operation(answers.Response),
    "GET /v1/responses/{response_id}/input_items": Operation(answers.ItemPage),
    "GET /v1/responses/{response_id}/events": Operation(None, streams=Event, parameters=(LAST_EVENT_ID,)),
    "POST /v1/responses/{response_id}/events/token": Operation(answers.EventsToken),
    "POST /v1/conversations": Operation(
        answers.Conversation,
        requests.CreateConversation,
        body_required=False,
        errors=(404, 422),
        parameters=(IDEMPOTENCY_KEY,),
    ),
    "GET /v1/conversations": Operation(answers.ConversationPage, parameters=(METADATA,)),
    "GET /v1/conversations/{conversation_id}": Operation(answers.Conversation),
    "POST /v1/conversations/{conversation_id}": Operation(answers.Conversation, requests.UpdateConversation),
    "DELETE /v1/conversations/{conversation_id}": Operation(answers.DeletedConversation),
    "POST /v1/conversations/{conversation_id}/items": Operation(answers.ItemPage, requests.AddItems),
    "GET /v1/conversations/{conversation_id}/items": Operation(answers.ItemPage),
    "GET /v1/conversations/{conversation_id}/items/{item_id}": Operation(answers.ListedItem),
    "DELETE /v1/conversations/{conversation_id}/items/{item_id}": Operation(answers.Conversation),
    "POST /v1/webhook_endpoints": Operation(webhooks.WebhookEndpointWithSecret, webhooks.CreateWebhookEndpoint),
    "GET /v1/webhook_endpoints": Operation(webhooks.WebhookEndpointPage),
    "GET /v1/webhook_endpoints/{webhook_endpoint_id}": Operation(webhooks.WebhookEndpoint),
    "POST /v1/webhook_endpoints/{webhook_endpoint_id}": Operation(
        webhooks.WebhookEndpoint, webhooks.UpdateWebhookEndpoint
    ),
    "DELETE /v1/webhook_endpoints/{webhook_endpoint_id}": Operation(webhooks.DeletedWebhookEndpoint),
    "POST /v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret": Operation(
        webhooks.WebhookEndpointWithSecret, webhooks.RotateWebhookSecret, body_required=False
    ),
    "POST /v1/webhook_endpoints/{webhook_endpoint_id}/test": Operation(
        webhooks.WebhookTestResult, webhooks.TestWebhookEndpoint
    ),
    "GET /v1/webhook_endpoints/{webhook_endpoint_id}/deliveries": Operation(webhooks.WebhookDeliveryList),
    "GET /v1/webhook_event_types": Operation(webhooks.WebhookEventTypeList),
    "GET /v1/models": Operation(answers.ModelList, errors=(502,)),
    "GET /v1/models/{model}": Operation(answers.Model, errors=(502,)),
    "POST /v1/chat/completions": Operation(
        answers.UpstreamAnswer, requests.PassedOn, streams=answers.UpstreamAnswer, errors=(502,)
    ),
    "POST /v1/embeddings": Operation(answers.UpstreamAnswer, requests.PassedOn, errors=(429, 502)),
    "GET /healthz": Operation(answers.Health, key_required=False),
    "GET /readyz": Operation(answers.Readiness, key_required=False, without_envelope={503: answers.Readiness}),
    "GET /metrics": Operation(None, errors=(403,)),
    "GET /v1/turnstone/stream-probe": Operation(None, streams=answers.ProbeEvent),
    "GET /v1/turnstone/status": Operation(answers.ServerStatus, errors=(403,)),
}
