"""Items a request may carry; unknown extra fields are kept, so that what comes in can be read back unchanged."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Item = dict[str, Any]

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
    """An image by URL, `data:` URLs included."""

    type: Literal["input_image"]
    image_url: Annotated[str, StringConstraints(max_length=20_971_520)]
    detail: Literal["low", "high", "auto", "original"] | None = None


class FilePart(Open):
    """A file's content, base64 in a `data:` URL."""

    type: Literal["input_file"]
    file_data: Annotated[str, StringConstraints(max_length=73_400_320)]
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
    summary: list[SummaryText] = Field(default_factory=list)
    content: list[ReasoningText] | None = None
    status: ItemStatus | None = None


INPUT_ITEMS: dict[str, type[Open]] = {
    "message": Message,
    "function_call": FunctionCall,
    "function_call_output": FunctionCallOutput,
    "reasoning": Reasoning,
}

CONTENT_PARTS: dict[str, type[Open]] = {
    "input_text": TextPart,
    "output_text": TextPart,
    "text": TextPart,
    "refusal": RefusalPart,
    "input_image": ImagePart,
    "input_file": FilePart,
}
