"""Items a request may carry; unknown extra fields are kept, so that what comes in can be read back unchanged."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Item = dict[str, Any]

# Of a list's wrong values the first alone is told; complaints about a million would cost a second.
FIRST_ONLY = Field(fail_fast=True)

# What begins every `encrypted_content` that was made here; a model server's own begins otherwise.
SEALED_HERE: Final = "turnstone."

LongText = Annotated[str, StringConstraints(max_length=10_485_760)]
ItemId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
CallId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class Open(BaseModel):
    """A shape that keeps fields it does not know."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)


class TextPart(Open):
    """Text of either side; `input_text` from a user, `output_text` from the model."""

    type: Literal["input_text", "output_text", "text"]
    text: LongText


class RefusalPart(Open):
    """The model's refusal, sent back as history."""

    type: Literal["refusal"]
    refusal: LongText


class ImagePart(Open):
    """An image by URL, as a rule a `data:` URL."""

    type: Literal["input_image"]
    image_url: Annotated[str, StringConstraints(max_length=20_971_520, pattern=r"^(https?://|data:)")]
    detail: Literal["low", "high", "auto", "original"] | None = None


class FilePart(Open):
    """A file's content, base64 in a `data:` URL."""

    type: Literal["input_file"]
    file_data: Annotated[str, StringConstraints(max_length=73_400_320)]
    filename: str | None = None


class LinkedFilePart(Open):
    """A file's content, or where a native Responses server finds it."""

    type: Literal["input_file"]
    file_data: Annotated[str, StringConstraints(max_length=73_400_320)] | None = None
    file_url: Annotated[str, StringConstraints(max_length=20_971_520, pattern=r"^https?://")] | None = None
    filename: str | None = None


class Message(Open):
    """A message of any role; a string as content is short for one text part."""

    type: Literal["message"] = "message"
    id: ItemId | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: LongText | list[Any]
    status: ItemStatus | None = None


class FunctionCall(Open):
    """A call the model made earlier."""

    type: Literal["function_call"]
    id: ItemId | None = None
    call_id: CallId
    name: FunctionName
    arguments: LongText
    namespace: FunctionName | None = None
    status: ItemStatus | None = None


class FunctionCallOutput(Open):
    """What the caller's function returned; `call_id` names the call."""

    type: Literal["function_call_output"]
    id: ItemId | None = None
    call_id: CallId
    output: LongText | list[Any]
    status: ItemStatus | None = None


class SummaryText(Open):
    """One part of a reasoning summary."""

    type: Literal["summary_text"]
    text: LongText


class ReasoningText(Open):
    """One part of reasoning."""

    type: Literal["reasoning_text"]
    text: LongText


class Reasoning(Open):
    """Reasoning of an earlier turn, sent back as history."""

    type: Literal["reasoning"]
    id: ItemId | None = None
    summary: Annotated[list[SummaryText], FIRST_ONLY] = Field(default_factory=list)
    content: Annotated[list[ReasoningText], FIRST_ONLY] | None = None
    encrypted_content: Annotated[str, StringConstraints(max_length=20_971_520)] | None = None
    status: ItemStatus | None = None


class CustomToolCall(Open):
    """A call of a tool that takes free text."""

    type: Literal["custom_tool_call"]
    id: ItemId | None = None
    call_id: CallId
    name: FunctionName
    input: LongText
    namespace: FunctionName | None = None
    status: ItemStatus | None = None


class CustomToolCallOutput(Open):
    """What such a tool returned."""

    type: Literal["custom_tool_call_output"]
    id: ItemId | None = None
    call_id: CallId
    output: LongText | list[Any]
    status: ItemStatus | None = None


class ItemReference(Open):
    """An item the caller has stored already, by its id."""

    type: Literal["item_reference"] = "item_reference"
    id: ItemId


class Compaction(Open):
    """What came before, as a summary that was made and sealed here."""

    type: Literal["compaction"]
    id: ItemId | None = None
    encrypted_content: Annotated[str, StringConstraints(max_length=20_971_520)]


class CompactionTrigger(Open):
    """Asks for a compaction in place of an answer."""

    type: Literal["compaction_trigger"]
    id: ItemId | None = None


class StoredMessage(Open):
    """A message as a conversation may hold it, parts of any type included."""

    type: Literal["message"] = "message"
    id: ItemId | None = None
    role: Literal["unknown", "user", "assistant", "system", "critic", "discriminator", "developer", "tool"]
    content: LongText | Annotated[list[dict[str, Any]], FIRST_ONLY]
    status: ItemStatus | None = None


class StoredOutput(FunctionCallOutput):
    """A function's output as a conversation may hold it: the published API also knows some of no call."""

    call_id: CallId | None = None  # type: ignore[assignment]  # wider than a turn's


class StoredItem(Open):
    """An item that is kept and read back as it came: the tool it belongs to is not run here."""

    type: str
    id: ItemId | None = None
    status: Annotated[str, StringConstraints(max_length=64)] | None = None


# What a turn may take in: the items that can be told to a model server.
TURN_ITEMS: dict[str, type[Open]] = {
    "message": Message,
    "function_call": FunctionCall,
    "function_call_output": FunctionCallOutput,
    "custom_tool_call": CustomToolCall,
    "custom_tool_call_output": CustomToolCallOutput,
    "reasoning": Reasoning,
    "item_reference": ItemReference,
    "compaction": Compaction,
    "compaction_trigger": CompactionTrigger,
}

# What a conversation may hold besides.
_KEPT_ONLY = (
    "additional_tools",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "computer_call",
    "computer_call_output",
    "configuration_update",
    "file_search_call",
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
)
CONVERSATION_ITEMS: dict[str, type[Open]] = {
    **TURN_ITEMS,
    "message": StoredMessage,
    "function_call_output": StoredOutput,
    **dict.fromkeys(_KEPT_ONLY, StoredItem),
}

# What a turn may take in besides where a native Responses server runs the tools.
_OF_OURS = ("compaction", "compaction_trigger", "configuration_update")
NATIVE_ITEMS: dict[str, type[Open]] = TURN_ITEMS | {kind: StoredItem for kind in _KEPT_ONLY if kind not in _OF_OURS}

CONTENT_PARTS: dict[str, type[Open]] = {
    "input_text": TextPart,
    "output_text": TextPart,
    "text": TextPart,
    "refusal": RefusalPart,
    "input_image": ImagePart,
    "input_file": FilePart,
}
NATIVE_PARTS: dict[str, type[Open]] = CONTENT_PARTS | {"input_file": LinkedFilePart}
