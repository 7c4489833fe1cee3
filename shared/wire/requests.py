"""The body of POST /v1/responses."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.wire.items import FIRST_ONLY, FunctionName

Includable = Literal[
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
]
ENCRYPTED_REASONING: Final = "reasoning.encrypted_content"
ModelName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,256}$")]
Identifier = Annotated[str, StringConstraints(max_length=256)]
MOST_LABELS: Final = 16


def _few(metadata: object) -> object:
    # Before the entries are looked at: each of a hundred thousand would have a complaint of its own.
    if isinstance(metadata, dict) and len(metadata) > MOST_LABELS:
        raise PydanticCustomError("too_long", "Dictionary should have at most {most} items", {"most": MOST_LABELS})
    return metadata


Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=MOST_LABELS),
    BeforeValidator(_few),
]


class Strict(BaseModel):
    """No coercion: a number is not a string, 1 is not true. Unknown fields are kept for the caller to judge."""

    model_config = ConfigDict(extra="allow", strict=True, hide_input_in_errors=True)


class FunctionTool(Strict):
    """A function the caller runs."""

    type: Literal["function"]
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CustomFormat(Strict):
    """What a custom tool's text must look like; `syntax` and `definition` belong to `grammar`."""

    type: Literal["text", "grammar"]
    syntax: Literal["lark", "regex"] | None = None
    definition: str | None = None


class CustomTool(Strict):
    """A tool the caller runs, given free text."""

    type: Literal["custom"]
    name: FunctionName
    description: str | None = None
    format: CustomFormat | None = None


class NamespaceTool(Strict):
    """Functions and custom tools under one name."""

    type: Literal["namespace"]
    name: FunctionName
    description: str
    tools: Annotated[list[dict[str, Any]], Field(min_length=1), FIRST_ONLY]


class TextFormat(Strict):
    """The answer's form; `name` and `schema` belong to `json_schema`."""

    type: Literal["text", "json_object", "json_schema"]
    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")] | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextConfig(Strict):
    """How the answer's text should be."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningConfig(Strict):
    """How much the model should think, and what of it is shown."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class StreamOptions(Strict):
    """Options of the event stream."""

    include_obfuscation: bool | None = None


class ContextManagement(Strict):
    """From how many tokens on the model is told a summary; nobody here knows the size of its context window."""

    type: Literal["compaction"]
    compact_threshold: Annotated[int, Field(ge=1000, le=2**31 - 1)]


class ConversationReference(Strict):
    """A conversation by its id."""

    id: Identifier


class CreateConversation(Strict):
    """The body of POST /v1/conversations."""

    items: Annotated[list[Any], Field(max_length=20)] | None = None
    metadata: Metadata | None = None


class UpdateConversation(Strict):
    """The body of POST /v1/conversations/{id}."""

    metadata: Metadata | None


class AddItems(Strict):
    """The body of POST /v1/conversations/{id}/items."""

    items: Annotated[list[Any], Field(min_length=1, max_length=20)]


class PassedOn(Strict):
    """The body of a request that the model's server answers; whatever else it holds is for that server to judge."""

    model: ModelName


class CreateResponse(Strict):
    """A turn as the caller asks for it. Limits are those of the published API; `null` means unset."""

    model_config = ConfigDict(json_schema_extra={"required": ["model"]})  # the rules say so, in their own words

    model: ModelName | None = None
    input: Annotated[str, StringConstraints(max_length=10_485_760)] | list[Any] | None = None
    instructions: Annotated[str, StringConstraints(max_length=10_485_760)] | None = None
    previous_response_id: Identifier | None = None
    conversation: Identifier | ConversationReference | None = None
    background: bool | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    include: Annotated[list[Includable], FIRST_ONLY] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    max_output_tokens: Annotated[int, Field(ge=16, le=2**31 - 1)] | None = None
    max_tool_calls: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    parallel_tool_calls: bool | None = None
    tools: Annotated[list[dict[str, Any]], FIRST_ONLY] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    truncation: Literal["auto", "disabled"] | None = None
    context_management: Annotated[list[ContextManagement], Field(min_length=1, max_length=1), FIRST_ONLY] | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    safety_identifier: Annotated[str, StringConstraints(max_length=128)] | None = None
    prompt_cache_key: str | None = None
    user: str | None = None


class CompactConversation(CreateResponse):
    """A turn's input, to be summarized instead of answered."""


class CountInputTokens(CreateResponse):
    """A turn whose input is to be counted; how it would be answered makes no difference."""

    personality: str | None = None
