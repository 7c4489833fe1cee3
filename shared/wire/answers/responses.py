"""Responses, and what else is answered of a turn or in place of one."""

from typing import Any, Literal

from shared.wire.answers.base import Answer, Page
from shared.wire.answers.output_items import OutputItem
from shared.wire.items import ItemStatus, Open
from shared.wire.requests import Metadata


class ResponseError(Answer):
    """Why a turn failed."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class IncompleteDetails(Answer):
    """Why an answer is not whole."""

    reason: Literal["max_output_tokens", "content_filter"]


class InputTokensDetails(Answer):
    """Of the tokens that were read."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(Answer):
    """Of the tokens that were written."""

    reasoning_tokens: int


class Usage(Answer):
    """Tokens as the upstream counts them."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class TextSettings(Answer):
    """How the answer's text was asked to be."""

    format: dict[str, Any]
    verbosity: Literal["low", "medium", "high"]


class ConversationId(Answer):
    """The conversation a turn belongs to."""

    id: str


class TurnFacts(Answer):
    """What this server says beyond the published API. `queue_position`: how many turns are before a waiting one."""

    ignored: list[str]
    attempts: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    queue_position: int = 0


class Response(Answer):
    """A turn as it stands; `user` is left out when unset, every other key is there."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
    background: bool
    store: bool
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    model: str
    previous_response_id: str | None
    conversation: ConversationId | None
    instructions: str | None
    output: list[OutputItem]
    tools: list[dict[str, Any]]
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any]
    truncation: Literal["auto", "disabled"]
    parallel_tool_calls: bool
    text: TextSettings
    temperature: float
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    reasoning: dict[str, Any]
    service_tier: Literal["default", "flex", "priority"]
    metadata: Metadata
    max_output_tokens: int | None
    max_tool_calls: int | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    usage: Usage | None
    user: str = ""
    turnstone: TurnFacts


class ResponsePage(Page):
    """Responses."""

    data: list[Response]


class DeletedResponse(Answer):
    """A response that was erased."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


class EventsToken(Answer):
    """A token that opens one response's events."""

    object: Literal["response.events_token"]
    token: str
    expires_at: int


class InputTokens(Answer):
    """How many tokens the model would read."""

    object: Literal["response.input_tokens"]
    input_tokens: int


class KeptMessage(Open):
    """A message as it was brought."""

    type: Literal["message"]
    id: str
    role: Literal["user", "system", "developer"]
    status: ItemStatus
    content: list[dict[str, Any]]


class CompactionItem(Answer):
    """A sealed summary."""

    type: Literal["compaction"]
    id: str
    status: ItemStatus
    encrypted_content: str


class CompactedConversation(Answer):
    """The messages that were not the model's, and a compaction: the input to go on with."""

    id: str
    object: Literal["response.compaction"]
    created_at: int
    output: list[KeptMessage | CompactionItem]
    usage: Usage
