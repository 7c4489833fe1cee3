"""What one JSON value of a Chat Completions answer means, in every dialect, and in none."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.chunks import Finish, Reasoning, Refusal, Text, ToolCall, Usage
from shared.errors import UpstreamError
from shared.upstream.chat_chunks import ChatChunks


def read(*answers: Any) -> list[Any]:
    chunks = ChatChunks()
    return [chunk for answer in answers for chunk in chunks.read(answer)]


def delta(finish_reason: str | None = None, **said: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish_reason}]}


def call(**piece: Any) -> dict[str, Any]:
    name, arguments = piece.pop("name", None), piece.pop("arguments", None)
    return {**piece, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(delta(content="Hi"), [Text("Hi")], id="text"),
        pytest.param(delta(role="assistant", content=""), [], id="the role alone"),
        pytest.param(delta(content=None), [], id="null text"),
        pytest.param(delta(content="a\0b"), [Text("a\ufffdb")], id="NUL, which SQL refuses"),
        pytest.param(delta(refusal="No"), [Refusal("No")], id="refusal"),
        pytest.param(delta(reasoning_content="Hm"), [Reasoning("Hm")], id="reasoning_content"),
        pytest.param(delta(reasoning="Hm"), [Reasoning("Hm")], id="reasoning"),
        pytest.param(delta(reasoning="Hm", reasoning_content="Hm"), [Reasoning("Hm")], id="reasoning said twice"),
        pytest.param(delta(reasoning={"effort": "low"}), [], id="reasoning that is no text"),
        pytest.param(delta(reasoning="Hm", content="Hi"), [Reasoning("Hm"), Text("Hi")], id="reasoning comes first"),
        pytest.param({"choices": [], "usage": None}, [], id="no choices, null usage"),
        pytest.param({"choices": None}, [], id="null choices"),
        pytest.param({}, [], id="nothing"),
        pytest.param(delta("stop", content="!"), [Text("!"), Finish("stop")], id="last text with the finish reason"),
    ],
)
def test_one_chunk(answer: dict[str, Any], expected: list[Any]) -> None:
    assert read(answer) == expected


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("eos_token", "stop"),
    ],
)
def test_finish_reasons(theirs: str, ours: str) -> None:
    """R6, R11: why the model stopped is told truthfully."""
    assert read(delta(theirs)) == [Finish(ours)]  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", ["abort", "error"])
def test_a_model_that_broke_off_did_not_finish(reason: str) -> None:
    with pytest.raises(UpstreamError):
        read(delta(reason))


def test_a_finish_reason_counts_once() -> None:
    assert read(delta("stop"), delta("stop")) == [Finish("stop")]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}, Usage(5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": None}, Usage(5, 7)),
        ({"prompt_tokens": 5}, Usage(5, 0)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": None},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(5, 7, 3, 2),
        ),
    ],
)
def test_usage(usage: dict[str, Any], expected: Usage) -> None:
    assert read({"choices": [], "usage": usage}) == [expected]


def test_logprobs_take_the_shape_of_the_responses_api() -> None:
    token = {
        "token": "Hé",
        "logprob": -0.5,
        "bytes": None,
        "top_logprobs": [{"token": "H", "logprob": -1, "bytes": [72]}],
    }
    answer = {"choices": [{"delta": {"content": "Hé"}, "logprobs": {"content": [token]}}]}
    assert read(answer) == [
        Text(
            "Hé",
            (
                {
                    "token": "Hé",
                    "logprob": -0.5,
                    "bytes": [72, 195, 169],
                    "top_logprobs": [{"token": "H", "logprob": -1, "bytes": [72]}],
                },
            ),
        )
    ]


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"tokens": ["Hi"]}])
def test_logprobs_that_say_nothing(logprobs: Any) -> None:
    assert read({"choices": [{"delta": {"content": "Hi"}, "logprobs": logprobs}]}) == [Text("Hi")]


ONE_CALL = [ToolCall(0, "c1", "f", '{"a"'), ToolCall(0, arguments=":1}")]
TWO_CALLS = [ToolCall(0, "c1", "f", "{}"), ToolCall(1, "c2", "g", "[]")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"index": 0, "id": "c1", "name": "f"}, {"index": 0}, id="id and name in the first piece only"),
        pytest.param(
            {"index": 0, "id": "c1", "name": "f"}, {"index": 0, "id": "c1", "name": "f"}, id="repeated in each piece"
        ),
        pytest.param(
            {"index": 0, "id": "c1", "name": "f"}, {"index": 0, "id": "", "name": ""}, id="empty in later pieces"
        ),
        pytest.param({"index": 0, "id": "c1", "name": "f"}, {"index": 0, "id": "c9"}, id="a new id, but no name"),
        pytest.param({"id": "c1", "name": "f"}, {"id": "c1"}, id="no index"),
        pytest.param({"id": "c1", "name": "f"}, {}, id="no index, and no id any more"),
        pytest.param({"index": 4, "id": "c1", "name": "f"}, {"index": 4}, id="an index that does not begin at 0"),
    ],
)
def test_pieces_of_one_call(first: dict[str, Any], second: dict[str, Any]) -> None:
    """R10: however a server marks the pieces, they come together."""
    pieces = [call(**first, arguments='{"a"'), call(**second, arguments=":1}")]
    assert read(*(delta(tool_calls=[piece]) for piece in pieces)) == ONE_CALL
    assert read(delta(tool_calls=pieces)) == ONE_CALL


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"index": 0, "id": "c1"}, {"index": 1, "id": "c2"}, id="OpenAI"),
        pytest.param({"index": 0, "id": "c1"}, {"index": 0, "id": "c2"}, id="index 0 for every call"),
        pytest.param({"id": "c1"}, {"id": "c2"}, id="no index"),
    ],
)
def test_two_calls_stay_two(first: dict[str, Any], second: dict[str, Any]) -> None:
    """R10: parallel calls are never run together."""
    pieces = [call(**first, name="f", arguments="{}"), call(**second, name="g", arguments="[]")]
    assert read(*(delta(tool_calls=[piece]) for piece in pieces)) == TWO_CALLS
    assert read(delta(tool_calls=pieces)) == TWO_CALLS


def test_calls_without_any_mark_are_told_apart_by_their_names() -> None:
    pieces = [call(name="f", arguments="{}"), call(name="f", arguments="[]")]
    assert read(delta(tool_calls=pieces)) == [ToolCall(0, None, "f", "{}"), ToolCall(1, None, "f", "[]")]


def test_interleaved_calls() -> None:
    opening = [call(index=0, id="c1", name="f"), call(index=1, id="c2", name="g")]
    more = [call(index=1, arguments="2"), call(index=0, arguments="1")]
    assert read(delta(tool_calls=opening), delta(tool_calls=more))[2:] == [
        ToolCall(1, arguments="2"),
        ToolCall(0, arguments="1"),
    ]


def test_arguments_that_arrive_as_an_object() -> None:
    assert read(delta(tool_calls=[call(id="c", name="f", arguments={"city": "Köln"})])) == [
        ToolCall(0, "c", "f", '{"city":"Köln"}')
    ]


def test_the_function_call_of_old_servers() -> None:
    pieces = [{"name": "f", "arguments": "{"}, {"arguments": "}"}]
    assert read(*(delta(function_call=piece) for piece in pieces)) == [
        ToolCall(0, None, "f", "{"),
        ToolCall(0, arguments="}"),
    ]


def test_a_whole_answer_means_the_same_as_a_streamed_one() -> None:
    """R1: a server that ignores stream=true is as good as one that streams."""
    message = {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "reasoning_content": "Hm",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    whole = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    assert read(whole) == [
        Reasoning("Hm"),
        Text("Hi"),
        ToolCall(0, "c1", "f", "{}"),
        Finish("tool_calls"),
        Usage(3, 4),
    ]


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ({"message": "s3cret", "code": 500}, "server_error", True),
        ({"message": "s3cret", "code": 429}, "rate_limit_exceeded", True),
        ({"message": "s3cret", "code": 400}, "invalid_prompt", False),
        ({"message": "s3cret: maximum context length is 8", "code": 400}, "invalid_prompt", False),
        ({"message": "s3cret", "code": "context_length_exceeded"}, "invalid_prompt", False),
        ({"message": "s3cret", "code": "1234"}, "server_error", False),
        ("s3cret", "server_error", False),
        (["s3cret"], "server_error", False),
    ],
)
def test_an_error_in_the_stream(error: Any, code: str, retryable: bool) -> None:
    """Q7, I2: the turn learns the kind of error, and nothing of what the upstream wrote."""
    with pytest.raises(UpstreamError) as raised:
        read({"error": error})
    assert (raised.value.code, raised.value.retryable) == (code, retryable)
    assert "s3cret" not in str(raised.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def shaped(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly the right shape, so that the strangeness gets deep inside."""
    return anything | st.fixed_dictionaries({}, optional=known)


functions = shaped(name=anything, arguments=anything)
pieces = shaped(index=anything | st.integers(0, 3), id=anything, function=functions)
top_logprobs = shaped(token=anything, logprob=anything, bytes=anything)
logprobs = shaped(token=st.text(), logprob=st.floats(), bytes=anything, top_logprobs=st.lists(top_logprobs))
messages = shaped(
    content=anything,
    refusal=anything,
    reasoning=anything,
    reasoning_content=anything,
    tool_calls=st.lists(pieces) | anything,
    function_call=functions,
)
choices = shaped(
    delta=messages, message=messages, finish_reason=anything, logprobs=shaped(content=st.lists(logprobs) | anything)
)
usages = shaped(prompt_tokens=anything, completion_tokens=anything, prompt_tokens_details=anything)
answers = shaped(choices=st.lists(choices) | anything, usage=usages, error=st.none() | anything)


@given(st.lists(answers, max_size=3))
def test_arbitrary_json_gives_chunks_or_an_upstream_error(answers: list[Any]) -> None:
    """Q7: no server can make the worker trip; any other exception than UpstreamError fails this test."""
    chunks: list[Any] = []
    with suppress(UpstreamError):
        chunks = read(*answers)
    assert all(isinstance(chunk, Text | Refusal | Reasoning | ToolCall | Finish | Usage) for chunk in chunks)
