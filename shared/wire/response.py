"""The Response object and the events of its stream."""

from typing import Any, Final, NamedTuple, NotRequired

from typing_extensions import TypedDict  # pydantic reads typing's own from Python 3.12 on

from shared.wire.items import Item

# The Response has some forty keys, most of them echoes of the request; the one renderer is `core.response_render`.
ResponseBody = dict[str, Any]


class Event(TypedDict):
    """One event of a turn's stream; which optional keys are there depends on `type`."""

    type: str
    sequence_number: int
    response: NotRequired[ResponseBody]
    item: NotRequired[Item]
    item_id: NotRequired[str]
    output_index: NotRequired[int]
    content_index: NotRequired[int]
    part: NotRequired[dict[str, Any]]
    delta: NotRequired[str]
    text: NotRequired[str]
    refusal: NotRequired[str]
    name: NotRequired[str]
    arguments: NotRequired[str]
    input: NotRequired[str]
    logprobs: NotRequired[list[dict[str, Any]]]
    annotation: NotRequired[dict[str, Any]]


CREATED: Final = "response.created"
QUEUED: Final = "response.queued"
IN_PROGRESS: Final = "response.in_progress"
COMPLETED: Final = "response.completed"
INCOMPLETE: Final = "response.incomplete"
FAILED: Final = "response.failed"
ITEM_ADDED: Final = "response.output_item.added"
ITEM_DONE: Final = "response.output_item.done"
PART_ADDED: Final = "response.content_part.added"
PART_DONE: Final = "response.content_part.done"
TEXT_DELTA: Final = "response.output_text.delta"
TEXT_DONE: Final = "response.output_text.done"
ANNOTATION_ADDED: Final = "response.output_text.annotation.added"
REFUSAL_DELTA: Final = "response.refusal.delta"
REFUSAL_DONE: Final = "response.refusal.done"
SUMMARY_PART_ADDED: Final = "response.reasoning_summary_part.added"
SUMMARY_PART_DONE: Final = "response.reasoning_summary_part.done"
SUMMARY_DELTA: Final = "response.reasoning_summary_text.delta"
SUMMARY_DONE: Final = "response.reasoning_summary_text.done"
REASONING_DELTA: Final = "response.reasoning_text.delta"
REASONING_DONE: Final = "response.reasoning_text.done"
ARGUMENTS_DELTA: Final = "response.function_call_arguments.delta"
ARGUMENTS_DONE: Final = "response.function_call_arguments.done"
CUSTOM_INPUT_DELTA: Final = "response.custom_tool_call_input.delta"
CUSTOM_INPUT_DONE: Final = "response.custom_tool_call_input.done"


class CallWriting(NamedTuple):
    """How a call's text comes: under `key` of its item and of the event `done`, in pieces by `delta`."""

    key: str
    delta: str
    done: str


CALLS: Final = {
    "function_call": CallWriting("arguments", ARGUMENTS_DELTA, ARGUMENTS_DONE),
    "custom_tool_call": CallWriting("input", CUSTOM_INPUT_DELTA, CUSTOM_INPUT_DONE),
}

TERMINAL_EVENTS: Final = frozenset({COMPLETED, INCOMPLETE, FAILED})

# Closes a stream whose event log was lost with Redis: above every number a client can have seen.
LOST_NUMBER: Final = 2**31 - 1
