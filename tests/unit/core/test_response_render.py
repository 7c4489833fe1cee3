"""The Response object: one renderer, and no key that some client misses (R6)."""

from typing import Any

import pytest
from core_examples import CREATED_AT, chunk_sequences, final, log_of, outcomes, turn, turns
from hypothesis import given, settings
from response_shape import assert_ended, assert_shape

from shared.core.chunks import Finish, Text, Usage
from shared.core.request_rules import Policy, accept
from shared.core.response_render import lifecycle_events, render, render_current
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.wire.requests import CreateResponse

law = settings(deadline=None, max_examples=50)


def test_the_minimal_response() -> None:
    """Three strict readers accept exactly this: the SDK, the published schema and Open Responses."""
    of = turn(background=False)
    body = final(log_of(of, [Text("Hello from "), Text("stub"), Finish("stop"), Usage(1, 2)]))
    assert_ended(body)
    assert body == {
        "id": of.id,
        "object": "response",
        "created_at": CREATED_AT,
        "completed_at": CREATED_AT + 2,
        "status": "completed",
        "background": False,
        "store": True,
        "error": None,
        "incomplete_details": None,
        "model": "stub",
        "previous_response_id": None,
        "conversation": None,
        "instructions": None,
        "output": [
            {
                "id": "message_0",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "Hello from stub", "annotations": [], "logprobs": []},
                ],
            }
        ],
        "tools": [],
        "tool_choice": "auto",
        "truncation": "disabled",
        "parallel_tool_calls": True,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "temperature": 1.0,
        "top_p": 1.0,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "top_logprobs": 0,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "metadata": {},
        "max_output_tokens": None,
        "max_tool_calls": None,
        "safety_identifier": None,
        "prompt_cache_key": None,
        "usage": {
            "input_tokens": 1,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 3,
        },
        "turnstone": {"ignored": []},
    }


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes)
def test_every_end_is_a_valid_response(of: Turn, chunks: list[Any], outcome: Outcome) -> None:
    """R11: whatever came and however it ended, the terminal Response is whole."""
    body = final(log_of(of, chunks, outcome))
    assert_ended(body)
    assert body["status"] == outcome.status
    assert (body["error"], body["usage"]) == (outcome.error, outcome.usage)
    assert body["turnstone"] == {"ignored": [], **outcome.facts}


@law
@given(of=turns)
def test_the_lifecycle_events_carry_whole_responses_as_of_their_moment(of: Turn) -> None:
    """R6: `created_at` and the echoes are the same in every event."""
    bodies = [event["response"] for event in lifecycle_events(of)]
    for body in bodies:
        assert_shape(body)
        assert body | {"status": ""} == bodies[0] | {"status": ""}
    moments = ["queued", "queued", "in_progress"] if of.background else ["in_progress", "in_progress"]
    assert [body["status"] for body in bodies] == moments


@pytest.mark.parametrize("status", [Status.QUEUED, Status.IN_PROGRESS])
def test_a_poll_sees_the_status_and_the_facts_of_the_queue(status: Status) -> None:
    """Q5: attempts and the time of the start are visible while the turn is under way."""
    body = render_current(turn(status=status, attempt=2, started_at=7.5, ignored=("top_k",)))
    assert_shape(body)
    assert body["status"] == status
    assert body["turnstone"] == {"ignored": ["top_k"], "attempts": 2, "started_at": 7.5}
    assert render_current(turn(attempt=2, ending="failed"))["turnstone"]["attempts"] == 1


def test_a_cancel_shows_as_soon_as_it_is_decided() -> None:
    """G20: the acknowledged cancel is what every later poll says, before the end is written."""
    assert render_current(turn(attempt=2, ending="cancelled"))["status"] == "cancelled"
    assert render_current(turn(attempt=2, ending="failed"))["status"] == "in_progress"


REQUESTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"instructions": "Be brief."}, {"instructions": "Be brief."}),
    ({"temperature": 0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}),
    ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
    ({"metadata": {"topic": "demo"}}, {"metadata": {"topic": "demo"}}),
    ({"max_output_tokens": 16, "max_tool_calls": 1}, {"max_output_tokens": 16, "max_tool_calls": 1}),
    ({"user": "someone"}, {"user": "someone"}),
    ({"user": None}, {}),
    ({"safety_identifier": "s", "prompt_cache_key": "p"}, {"safety_identifier": "s", "prompt_cache_key": "p"}),
    ({"reasoning": {"effort": "high"}}, {"reasoning": {"effort": "high", "summary": None}}),
    ({"text": {"verbosity": "low"}}, {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
    (
        {"include": ["message.output_text.logprobs"], "top_logprobs": 3},
        {"top_logprobs": 3},
    ),
    (
        {"tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}]},
        {
            "tools": [
                {
                    "type": "function",
                    "name": "f",
                    "description": None,
                    "parameters": {"type": "object"},
                    "strict": True,
                }
            ]
        },
    ),
    ({"tools": [{"type": "web_search"}]}, {"tools": [], "turnstone": {"ignored": ["tools[0]:web_search"]}}),
    *[
        ({"service_tier": asked}, {"service_tier": used})
        for asked, used in [
            ("auto", "default"),
            ("default", "default"),
            ("flex", "flex"),
            ("priority", "priority"),
            ("fast", "priority"),
        ]
    ],
]


@pytest.mark.parametrize(("requested", "echoed"), REQUESTED)
def test_what_was_asked_for_is_echoed(requested: dict[str, Any], echoed: dict[str, Any]) -> None:
    accepted = accept(CreateResponse.model_validate({"model": "stub", "input": "Hi"} | requested), Policy())
    body = render(turn(request=accepted.request, ignored=accepted.ignored), Status.QUEUED)
    assert_shape(body)
    assert body == render(turn(), Status.QUEUED) | echoed
