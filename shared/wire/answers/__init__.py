"""What the API answers, as types: for its OpenAPI document and for the tests that hold real answers against them.

Nothing is validated by these while a request is served; the renderers make plain dictionaries.
"""

from shared.wire.answers.base import Answer, ErrorEnvelope, Page
from shared.wire.answers.conversations import Conversation, ConversationPage, DeletedConversation, ItemPage, ListedItem
from shared.wire.answers.output_items import OutputHostedItem
from shared.wire.answers.responses import (
    CompactedConversation,
    DeletedResponse,
    EventsToken,
    InputTokens,
    Response,
    ResponsePage,
)
from shared.wire.answers.server import Health, Model, ModelList, ProbeEvent, Readiness, ServerStatus, UpstreamAnswer

__all__ = [
    "Answer",
    "CompactedConversation",
    "Conversation",
    "ConversationPage",
    "DeletedConversation",
    "DeletedResponse",
    "ErrorEnvelope",
    "EventsToken",
    "Health",
    "InputTokens",
    "ItemPage",
    "ListedItem",
    "Model",
    "ModelList",
    "OutputHostedItem",
    "Page",
    "ProbeEvent",
    "Readiness",
    "Response",
    "ResponsePage",
    "ServerStatus",
    "UpstreamAnswer",
]
