"""What the laws of the core are tried on: turns, chunk sequences as upstreams send them, and assembled logs."""

import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from shared.core.assembly import Assembly
from shared.core.chunks import Chunk, Finish, Reasoning, Refusal, Text, ToolCall, Usage
from shared.core.response_render import lifecycle_events, usage_body
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.wire.response import Event, ResponseBody

CREATED_AT = 1_790_000_000
ENDED_AT = CREATED_AT + 2.5


def turn(**changes: Any) -> Turn:
    """A streamed background turn in progress, unless told otherwise."""
    facts: dict[str, Any] = {
        "id": "resp_" + "0" * 48,
        "owner": "key_1",
        "status": Status.IN_PROGRESS,
        "created_at": CREATED_AT,
        "request": {"model": "stub"},
        "attempt": 1,
        "background": True,
        "stream": True,
    }
    return Turn(**(facts | changes))


def assembly(of: Turn) -> Assembly:
    """An assembly whose ids are counted, so that equal chunks make equal events."""
    numbers = itertools.count()
    return Assembly(lifecycle_events(of), lambda kind: f"{kind}_{next(numbers)}", lambda: f"call_{next(numbers)}")


def log_of(of: Turn, chunks: Sequence[Chunk], outcome: Outcome | None = None) -> list[Event]:
    """All events of a turn that got `chunks` and ended by `outcome`, or as its finish reason says."""
    assembled = assembly(of)
    output = assembled.feed(chunks)
    return lifecycle_events(of) + output + assembled.end(outcome or assembled.outcome(ENDED_AT))


def final(log: Sequence[Event]) -> ResponseBody:
    """The Response in the terminal event."""
    return log[-1]["response"]


TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "look_up"},
    {"type": "custom", "name": "shell"},
    {"type": "namespace", "name": "crm", "description": "Customers.", "tools": [{"type": "function", "name": "find"}]},
]

texts = st.text(max_size=8) | st.sampled_from(["\r\n", "\u2028", "\x00", "🦜", "data: x\n\n", "\u0301", '"}'])
calls = st.sampled_from(["call_a", "call_b", "", None])
tool_names = st.sampled_from(["look_up", "shell", "crm__find", "unheard_of"])
inputs = st.sampled_from(['{"input":"', '{"input": "ls\\n"}', "\\ud83e", "\\udd9c", '"}'])
logprobs = st.lists(
    st.fixed_dictionaries(
        {"token": texts, "logprob": st.just(-0.5), "bytes": st.just([65]), "top_logprobs": st.just([])}
    ),
    max_size=2,
).map(tuple)

# Every piece of a call names it here; an upstream names it once, which comes to the same.
chunks: st.SearchStrategy[Chunk] = st.one_of(
    st.builds(Text, texts, logprobs),
    st.builds(Refusal, texts),
    st.builds(Reasoning, texts),
    st.builds(ToolCall, position=st.integers(0, 3), call_id=calls, name=tool_names, arguments=texts | inputs),
    st.builds(Usage, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
    st.builds(Finish, st.sampled_from(["stop", "length", "content_filter", "tool_calls"])),
)
chunk_sequences = st.lists(chunks, max_size=12)

turns = st.builds(
    lambda background, request: turn(background=background, request={"model": "stub"} | request),
    background=st.booleans(),
    request=st.fixed_dictionaries(
        {},
        optional={
            "instructions": texts,
            "temperature": st.floats(0, 2),
            "metadata": st.dictionaries(texts, texts, max_size=2),
            "reasoning": st.just({"effort": "low"}),
            "text": st.just({"format": {"type": "json_object"}}),
            "tools": st.just(TOOLS),
            "user": st.just("someone"),
        },
    ),
)

_usages = st.none() | st.just(usage_body(3, 4, 0, 1))
_facts = st.sampled_from([{}, {"attempts": 2}])


def _outcomes(status: Status, **rest: st.SearchStrategy[Any]) -> st.SearchStrategy[Outcome]:
    return st.builds(Outcome, status=st.just(status), at=st.just(ENDED_AT), usage=_usages, facts=_facts, **rest)


outcomes = st.one_of(
    _outcomes(Status.COMPLETED),
    _outcomes(Status.INCOMPLETE, incomplete_reason=st.sampled_from(["max_output_tokens", "content_filter"])),
    _outcomes(Status.FAILED, error=st.just({"code": "server_error", "message": "The model server is away."})),
    _outcomes(Status.CANCELLED),
)
