"""What every client may rely on in a Response, as one check used by several laws."""

from openai.types.responses import Response

from shared.core.turn_status import TERMINAL
from shared.wire import answers
from shared.wire.response import ResponseBody

NEVER_NULL = {
    "id",
    "object",
    "created_at",
    "status",
    "background",
    "store",
    "model",
    "output",
    "tools",
    "tool_choice",
    "truncation",
    "parallel_tool_calls",
    "text",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "reasoning",
    "service_tier",
    "metadata",
}
MAY_BE_NULL = {
    "completed_at",
    "error",
    "incomplete_details",
    "previous_response_id",
    "conversation",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "safety_identifier",
    "prompt_cache_key",
    "usage",
}
OURS = {"turnstone"}


def assert_shape(body: ResponseBody) -> None:
    """Every key is there, those that some client wants non-null have a value; the SDK and our own document agree."""
    assert set(body) - {"user"} == NEVER_NULL | MAY_BE_NULL | OURS
    assert not [key for key in NEVER_NULL if body[key] is None]
    assert body.get("user", "") is not None, "left out when unset: the published schema has no null for it"
    assert type(body["created_at"]) is int
    assert body["text"]["format"]["type"]
    assert body["text"]["verbosity"] in ("low", "medium", "high")
    assert (body["completed_at"] is not None) is (body["status"] == "completed")
    through_the_sdk = Response.model_validate(body, strict=True)
    assert through_the_sdk.to_dict(mode="json") == body
    answers.Response.model_validate(body)


def assert_ended(body: ResponseBody) -> None:
    """A valid terminal Response: nothing in it is still under way."""
    assert_shape(body)
    assert body["status"] in TERMINAL
    assert all(item["status"] in ("completed", "incomplete") for item in body["output"])
    assert (body["incomplete_details"] is not None) is (body["status"] == "incomplete")
