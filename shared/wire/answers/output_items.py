"""Items that a turn has given out."""

from typing import Any, Literal

from pydantic import ConfigDict

from shared.wire.answers.base import Answer
from shared.wire.items import ItemStatus, ReasoningText, SummaryText


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
