"""What the API answers, as types: for its OpenAPI document and for the tests that hold real answers against them.

Nothing is validated by these while a request is served; the renderers make plain dictionaries.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from shared.wire.items import ItemStatus, Open, ReasoningText, SummaryText
from shared.wire.requests import Metadata


class Answer(BaseModel):
    """A shape in which every key is named here."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ErrorBody(Answer):
    """What was wrong: `param` names the field, `code` the case."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(Answer):
    """The one shape of every refusal."""

    error: ErrorBody


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


class TopLogprob(Answer):
    """A token that could have been here."""

    token: str
    logprob: float
    bytes: list[int]


class Logprob(TopLogprob):
    """How likely a token was, and which others were."""

    top_logprobs: list[TopLogprob]


class OutputText(Answer):
    """Text of the model."""

    type: Literal["output_text"]
    text: str
    annotations: list[dict[str, Any]]
    logprobs: list[Logprob]


class OutputRefusal(Answer):
    """What the model says instead of answering."""

    type: Literal["refusal"]
    refusal: str


class OutputMessage(Answer):
    """The model's message; `phase` is left out when the model server told none."""

    type: Literal["message"]
    id: str
    role: Literal["assistant"]
    phase: Literal["commentary", "final_answer"] = "final_answer"
    status: ItemStatus
    content: list[OutputText | OutputRefusal]


class OutputFunctionCall(Answer):
    """A call of one of the caller's functions; `namespace` is left out when it is in none."""

    type: Literal["function_call"]
    id: str
    call_id: str
    namespace: str = ""
    name: str
    arguments: str
    status: ItemStatus


class OutputCustomToolCall(Answer):
    """A call of one of the caller's tools that take free text."""

    type: Literal["custom_tool_call"]
    id: str
    call_id: str
    namespace: str = ""
    name: str
    input: str
    status: ItemStatus


class OutputReasoning(Answer):
    """What the model thought before it spoke; `encrypted_content` is left out when there is none."""

    type: Literal["reasoning"]
    id: str
    summary: list[SummaryText]
    content: list[ReasoningText]
    encrypted_content: str = ""
    status: ItemStatus


class OutputHostedItem(Answer):
    """What a hosted tool of a native Responses server did, as that server tells it."""

    model_config = ConfigDict(extra="allow")

    type: Literal[
        "additional_tools",
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "compaction",
        "computer_call",
        "computer_call_output",
        "custom_tool_call_output",
        "file_search_call",
        "function_call_output",
        "image_generation_call",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    ]
    id: str
    status: str


OutputItem = OutputMessage | OutputFunctionCall | OutputCustomToolCall | OutputReasoning | OutputHostedItem


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


class InputTokens(Answer):
    """How many tokens the model would read."""

    object: Literal["response.input_tokens"]
    input_tokens: int


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


class Page(Answer):
    """A page of a listing; `last_id` is where the next one goes on."""

    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ResponsePage(Page):
    """Responses."""

    data: list[Response]


class ListedItem(Open):
    """An item as it was brought or made."""

    type: str
    id: str
    status: str


class ItemPage(Page):
    """Items."""

    data: list[ListedItem]


class Conversation(Answer):
    """A conversation, without its items."""

    id: str
    object: Literal["conversation"]
    created_at: int
    metadata: Metadata


class ConversationPage(Page):
    """Conversations."""

    data: list[Conversation]


class DeletedConversation(Answer):
    """A conversation that was deleted."""

    id: str
    object: Literal["conversation.deleted"]
    deleted: Literal[True]


class Model(Open):
    """A model; what else its upstream says of it is passed on."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Answer):
    """The models that can be asked."""

    object: Literal["list"]
    data: list[Model]


class UpstreamAnswer(Open):
    """What the model's server has answered, unchanged."""


class Health(Answer):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Answer):
    """Whether turns can be accepted, and what answers."""

    status: Literal["ok", "unavailable", "stopping"]
    database: bool
    redis: bool


class QueueStatus(Answer):
    """The turns of one service tier. `oldest_queued_seconds`: how long the first of them has waited."""

    running: int
    queued: int
    oldest_queued_seconds: float


class WaitingTurns(Answer):
    """What queued turns wait for: a worker, room in their owner's share, the end of the turn before them."""

    worker: int
    share: int
    turn: int


class TurnsStatus(QueueStatus):
    """The turns of all tiers."""

    waiting_for: WaitingTurns


class ProcessStatus(Answer):
    """A process that lives."""

    id: str
    version: str | None
    seen_seconds_ago: float


class ServerStatus(Answer):
    """The deployment as a whole. `recoveries`: of each kind, since the start of the processes that live."""

    object: Literal["turnstone.status"]
    version: str
    schema_revision: str | None
    turns: TurnsStatus
    tiers: dict[str, QueueStatus]
    workers: list[ProcessStatus]
    api_processes: list[ProcessStatus]
    recoveries: dict[str, int]
