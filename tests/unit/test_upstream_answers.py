"""Whole answers as real servers send them, byte for byte in shape, cut into reads of every size."""

from pathlib import Path

import orjson
import pytest

from shared.core.chunks import Chunk, Finish, Reasoning, Text, ToolCall, Usage
from shared.upstream.answer import Answer, StreamedAnswer, WholeAnswer
from shared.upstream.chat_chunks import ChatChunks

TRANSCRIPTS = Path(__file__).parent / "transcripts"

EXPECTED: dict[str, list[Chunk]] = {
    "vllm": [Reasoning("Let me see."), Text("Ye"), Text("s."), Finish("stop"), Usage(9, 5, 8)],
    "vllm_tools": [
        ToolCall(0, "chatcmpl-tool-1", "weather"),
        ToolCall(0, arguments='{"city": '),
        ToolCall(0, arguments='"Ulm"}'),
        Finish("tool_calls"),
    ],
    "ollama_tools": [  # whole calls, every one with index 0, one with its arguments as an object
        ToolCall(0, "call_a", "weather", '{"city":"Ulm"}'),
        ToolCall(1, "call_b", "weather", '{"city":"Bonn"}'),
        Finish("tool_calls"),
        Usage(168, 40),
    ],
    "llama_cpp": [Text("Once"), Finish("length"), Usage(4, 1)],
    "transformers_serve": [  # several tokens at once, half characters as U+FFFD, usage with the end, no [DONE]
        Text("the\ufffd turns"),
        Text("\ufffd"),
        Finish("length"),
        Usage(7, 4),
    ],
}


def transcript(server: str) -> bytes:
    return (TRANSCRIPTS / f"{server}.sse").read_bytes()


def receive(answer: Answer, body: bytes, slice_bytes: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    for at in range(0, len(body), slice_bytes):
        if answer.done:
            return chunks
        chunks += answer.feed(body[at : at + slice_bytes])
    return chunks if answer.done else chunks + answer.end()


@pytest.mark.parametrize("server", EXPECTED)
@pytest.mark.parametrize("slice_bytes", [1, 5, 300, 100_000])
def test_transcript(server: str, slice_bytes: int) -> None:
    answer = StreamedAnswer(ChatChunks())
    assert receive(answer, transcript(server), slice_bytes) == EXPECTED[server]
    assert (answer.finished, answer.failure) == (True, None)


@pytest.mark.parametrize("server", EXPECTED)
def test_a_cut_is_noticed_until_the_finish_reason_came(server: str) -> None:
    """R6, R11: an answer is complete when the model said so, wherever the connection broke; what came is kept."""
    body, expected = transcript(server), EXPECTED[server]
    for length in range(0, len(body), 7):
        answer = StreamedAnswer(ChatChunks())
        chunks = receive(answer, body[:length], 64)
        assert chunks == expected[: len(chunks)]
        finished = any(isinstance(chunk, Finish) for chunk in chunks)
        assert (answer.failure is None) == finished, body[:length]


@pytest.mark.parametrize("bad", [b"<html>", b"{", b"[1]", b'"text"', b'{"choices":5}', b'{"error":{"message":"x"}}'])
def test_what_came_before_garbage_is_kept(bad: bytes) -> None:
    """R11: also when both arrive in the same read."""
    answer = StreamedAnswer(ChatChunks())
    assert answer.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: ' + bad + b"\n\n") == [Text("Hi")]
    assert answer.failure is not None
    assert answer.done


def test_nothing_after_done_is_read() -> None:
    answer = StreamedAnswer(ChatChunks())
    finish = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    assert answer.feed(finish + b"data: [DONE]\n\ndata: garbage\n\n") == [Finish("stop")]
    assert answer.failure is None


def test_done_does_not_stand_for_a_finish_reason() -> None:
    """R6: an answer that merely stops is not called complete."""
    answer = StreamedAnswer(ChatChunks())
    answer.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n')
    assert answer.done
    assert answer.failure is not None


def test_garbage_after_the_finish_reason_harms_nothing() -> None:
    answer = StreamedAnswer(ChatChunks())
    answer.feed(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: garbage\n\n')
    assert answer.finished
    assert answer.failure is None


def test_a_whole_answer() -> None:
    """R1: a server that ignored stream=true."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    body = orjson.dumps({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    answer = WholeAnswer(ChatChunks())
    assert receive(answer, body, 10) == [Text("Hi"), Finish("stop"), Usage(1, 2)]
    assert (answer.finished, answer.failure) == (True, None)


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"not json", b'{"detail":"Not Found"}'])
def test_a_whole_answer_that_is_none(body: bytes) -> None:
    answer = WholeAnswer(ChatChunks())
    assert receive(answer, body, 10) == []
    assert answer.failure is not None
