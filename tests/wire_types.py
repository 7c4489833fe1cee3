"""What a server says, held against the official SDK's own types: strictly, and with nothing they do not name.

`event_faults`, `message_faults` and `body_faults` tell what is wrong, in words for a test's report.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Generic, Literal, TypeVar, get_args

from openai import BaseModel
from openai.types import Model
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem
from openai.types.responses import (
    CompactedResponse,
    InputTokenCountResponse,
    Response,
    ResponseCompactionItem,
    ResponseCustomToolCall,
    ResponseFunctionCallArgumentsDoneEvent,
    ResponseItem,
    ResponsesServerEvent,
    ResponseStreamEvent,
    response_text_delta_event,
    response_text_done_event,
)
from openai.types.responses.responses_server_event import ResponseFunctionCallArgumentsWsDone
from openai.types.shared import ErrorObject
from openai.types.webhooks import (
    DeletedWebhookEndpoint,
    WebhookEndpoint,
    WebhookEndpointTestResult,
    WebhookEndpointWithSecret,
    WebhookEventTypeList,
)
from pydantic import TypeAdapter, ValidationError

from tests.unit.core.response_shape import MAY_BE_NULL, NEVER_NULL

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A list. An empty one has null for the ids: the SDK's pagers know that, its list types do not."""

    object: Literal["list"]
    data: list[T]
    has_more: bool
    first_id: str | None
    last_id: str | None


class Models(BaseModel):
    object: Literal["list"]
    data: list[Model]


class CompactedConversation(CompactedResponse):
    """Its output holds the user's messages as well; the SDK has no type for them there."""

    output: list[ResponseItem]  # type: ignore[assignment]


class DeletedResponse(BaseModel):
    id: str
    object: Literal["response"]
    deleted: Literal[True]


class EventsToken(BaseModel):
    object: Literal["response.events_token"]
    token: str
    expires_at: int


class Delivery(BaseModel):
    id: str
    object: Literal["webhook_endpoint.delivery"]
    event_type: str
    response_id: str
    created_at: int
    attempts: int
    status: Literal["pending", "delivered", "given_up"]
    last_answer: str | None
    next_attempt_at: int | None


class Deliveries(BaseModel):
    object: Literal["list"]
    data: list[Delivery]


class Refusal(BaseModel):
    error: ErrorObject


BODIES: dict[str, Any] = {
    "POST /responses": Response,
    "GET /responses": Page[Response],
    "POST /responses/compact": CompactedConversation,
    "POST /responses/input_tokens": InputTokenCountResponse,
    "GET /responses/ID": Response,
    "DELETE /responses/ID": DeletedResponse,
    "POST /responses/ID/cancel": Response,
    "GET /responses/ID/input_items": Page[ResponseItem],
    "POST /responses/ID/events/token": EventsToken,
    "POST /conversations": Conversation,
    "GET /conversations": Page[Conversation],
    "GET /conversations/ID": Conversation,
    "POST /conversations/ID": Conversation,
    "DELETE /conversations/ID": ConversationDeletedResource,
    "POST /conversations/ID/items": Page[ConversationItem],
    "GET /conversations/ID/items": Page[ConversationItem],
    "GET /conversations/ID/items/ID": ConversationItem,
    "DELETE /conversations/ID/items/ID": Conversation,
    "POST /webhook_endpoints": WebhookEndpointWithSecret,
    "GET /webhook_endpoints": Page[WebhookEndpoint],
    "GET /webhook_endpoints/ID": WebhookEndpoint,
    "POST /webhook_endpoints/ID": WebhookEndpoint,
    "DELETE /webhook_endpoints/ID": DeletedWebhookEndpoint,
    "POST /webhook_endpoints/ID/rotate_secret": WebhookEndpointWithSecret,
    "POST /webhook_endpoints/ID/test": WebhookEndpointTestResult,
    "GET /webhook_endpoints/ID/deliveries": Deliveries,
    "GET /webhook_event_types": WebhookEventTypeList,
    "GET /models": Models,
    "GET /models/ID": Model,
}
_ID = re.compile(
    r"(?<=responses/)[^/]+|(?<=conversations/)[^/]+|(?<=items/)[^/]+|(?<=webhook_endpoints/)[^/]+|(?<=models/).+"
)

GIVEN_BACK = (Page[ResponseItem], Page[ConversationItem], ConversationItem)
"""Items as their clients gave them, fields of their own included."""

ALWAYS: dict[type[BaseModel], set[str]] = {Response: NEVER_NULL | MAY_BE_NULL, ErrorObject: {"param", "code"}}
"""Fields that are there even if they are null; the SDK would do without."""

BESIDE: dict[type[BaseModel], set[str]] = {
    Response: {"store", "presence_penalty", "frequency_penalty", "turnstone"},
    ResponseCompactionItem: {"status"},
    WebhookEndpoint: {"turnstone"},
    WebhookEndpointWithSecret: {"turnstone"},
    ResponseCustomToolCall: {"status"},
    ResponseFunctionCallArgumentsDoneEvent: {"name"},
    ResponseFunctionCallArgumentsWsDone: {"name"},
    response_text_delta_event.Logprob: {"bytes"},
    response_text_delta_event.LogprobTopLogprob: {"bytes"},
    response_text_done_event.Logprob: {"bytes"},
    response_text_done_event.LogprobTopLogprob: {"bytes"},
}
"""Fields that the SDK does not name: of the published schemas, of its types for the same as listed, and one of ours."""

_FAULTS_SHOWN = 8


def event_faults(event: Mapping[str, Any]) -> list[str]:
    """What is wrong with an event of a stream."""
    return _faults_by_type(ResponseStreamEvent, event)


def message_faults(event: Mapping[str, Any]) -> list[str]:
    """What is wrong with an event that came over a WebSocket."""
    return _faults_by_type(ResponsesServerEvent, event)


def body_faults(method: str, path: str, status: int, body: Any) -> list[str]:
    """What is wrong with the JSON body that answers `method` on `path` (without `/v1`)."""
    route = f"{method} {path}"
    route = route if route in BODIES else _ID.sub("ID", route)
    wanted = BODIES.get(route) if status < 400 else Refusal
    return _faults(wanted, body, f"{route} {status}") if wanted else [f"{route}: no known answer"]


def _faults_by_type(union: Any, event: Mapping[str, Any]) -> list[str]:
    kind = str(event.get("type"))
    wanted = _by_type(union).get(kind)
    return _faults(wanted, event, kind) if wanted else [f"{kind}: no such event"]


def _faults(wanted: Any, told: Any, where: str) -> list[str]:
    try:
        read = _adapter(wanted).validate_python(told, strict=True)
    except ValidationError as refused:
        errors = refused.errors(include_url=False, include_context=False)[:_FAULTS_SHOWN]
        return [f"{where}.{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors]
    return [] if wanted in GIVEN_BACK else [f"{where}.{fault}" for fault in _misnamed(read)]


def _misnamed(value: Any) -> Iterator[str]:
    """Where a field is that the types do not name, or is not that always is."""
    if isinstance(value, BaseModel):
        kind, named = type(value), value.model_fields_set
        yield from (f"{name}: missing" for name in ALWAYS.get(kind, set()) - named)
        yield from (f"{name}: no such field" for name in named - kind.model_fields.keys() - BESIDE.get(kind, set()))
        yield from _misnamed({name: getattr(value, name) for name in named & kind.model_fields.keys()})
    elif isinstance(value, list | dict):
        for name, part in enumerate(value) if isinstance(value, list) else value.items():
            yield from (f"{name}.{fault}" for fault in _misnamed(part))


@cache
def _adapter(wanted: Any) -> TypeAdapter[Any]:
    return TypeAdapter(wanted)


@cache
def _by_type(union: Any) -> dict[str, type[BaseModel]]:
    models, *_ = get_args(union)
    return {kind: model for model in get_args(models) for kind in get_args(model.model_fields["type"].annotation)}
