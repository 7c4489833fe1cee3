"""Whole answers in the dialects of real servers, as they document or were seen to send them: one Response for each.

What is invented is the words; the fields, their nulls, their order and their oddities are the servers'.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.core.assembly import Assembly
from shared.core.chunks import Chunk
from shared.core.response_render import lifecycle_events
from shared.core.turn_status import Status
from shared.upstream.answer import StreamedAnswer
from shared.upstream.chat_chunks import ChatChunks
from shared.upstream.responses_events import ResponsesEvents
from tests.stored_turns import new_turn

TRANSCRIPTS = Path(__file__).parent / "transcripts"
ULM, BONN = '{"city":"Ulm"}', '{"city":"Bonn"}'


@dataclass
class Told:
    """What a client is told: texts, calls as (name, arguments), and tokens as (read, cached, written, reasoned)."""

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    summary: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()
    tokens: tuple[int, int, int, int] | None = None
    cut: str | None = None


EXPECTED = {
    "llama_cpp": Told("Once", tokens=(4, 0, 1, 0), cut="max_output_tokens"),
    "llama_cpp_tools": Told(reasoning="Look it up.", calls=(("weather", ULM),), tokens=(17, 7, 12, 0)),
    "lm_studio": Told("Yes.", reasoning="Hm.", tokens=(21, 0, 6, 2)),
    "lm_studio_tools": Told(calls=(("weather", ULM),)),
    "ollama": Told("Yes.", reasoning="The user asks.", tokens=(30, 0, 9, 0), cut="max_output_tokens"),
    "ollama_tools": Told(calls=(("weather", ULM), ("weather", BONN)), tokens=(168, 0, 40, 0)),
    "openai": Told("Let me look.", calls=(("weather", ULM), ("weather", BONN)), tokens=(81, 64, 47, 30)),
    "openai_refusal": Told(refusal="I can't do that.", tokens=(81, 0, 47, 0)),
    "responses_openai": Told(
        "It rains.", summary="Looking at the sky.", others=("web_search_call",), tokens=(43, 8, 22, 12)
    ),
    "responses_vllm": Told(
        "Hello", reasoning="Say hello.", calls=(("weather", '{"city": "Ulm"}'),), tokens=(71, 16, 30, 11)
    ),
    "responses_whole": Told("Once upon", tokens=(4, 0, 16, 0), cut="max_output_tokens"),
    "sglang": Told("4.", reasoning="2+2 is 4.", tokens=(17, 0, 9, 4)),
    "sglang_tools": Told(calls=(("weather", '{"city": "Ulm"}'), ("weather", '{"city": "Bonn"}')), tokens=(17, 0, 9, 4)),
    "transformers_serve": Told("the\ufffd turns\ufffd", tokens=(7, 0, 4, 0), cut="max_output_tokens"),
    "vllm": Told("Yes.", reasoning="Let me see.", tokens=(9, 8, 5, 0)),
    "vllm_reasoning": Told("No.", reasoning="Rain?", tokens=(12, 0, 8, 0)),
    "vllm_tools": Told(calls=(("weather", '{"city": "Ulm"}'),)),
}


def test_every_transcript_is_read() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in TRANSCRIPTS.iterdir())


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("slice_bytes", [7, 100_000])
def test_what_a_client_is_told(name: str, slice_bytes: int) -> None:
    """R1, R6, R10: the same of every server."""
    assert told(response(chunks_of(name, slice_bytes))) == EXPECTED[name]


def test_what_only_a_native_server_says_is_kept() -> None:
    reasoning, search, message = response(chunks_of("responses_openai", 64))["output"]
    assert reasoning["encrypted_content"] == "gAAA-sealed"
    assert search["action"]["sources"] == [{"type": "url", "url": "https://a.example"}]
    assert message["phase"] == "final_answer"
    assert [note["url"] for note in message["content"][0]["annotations"]] == ["https://a.example"]


def chunks_of(name: str, slice_bytes: int) -> list[Chunk]:
    body = (TRANSCRIPTS / f"{name}.sse").read_bytes()
    answer = StreamedAnswer(ResponsesEvents() if name.startswith("responses_") else ChatChunks())
    chunks: list[Chunk] = []
    for at in range(0, len(body), slice_bytes):
        if not answer.done:
            chunks += answer.feed(body[at : at + slice_bytes])
    chunks += [] if answer.done else answer.end()
    assert (answer.finished, answer.failure) == (True, None)
    return chunks


def response(chunks: list[Chunk]) -> dict[str, Any]:
    numbers = iter(range(100))
    turn = new_turn(status=Status.IN_PROGRESS, attempt=1)
    assembly = Assembly(lifecycle_events(turn), lambda kind: f"{kind}_{next(numbers)}", lambda: f"call_{next(numbers)}")
    assembly.feed(chunks)
    return assembly.end(assembly.outcome(1.0))[-1]["response"]


def told(body: dict[str, Any]) -> Told:
    items, usage, cut = body["output"], body["usage"], body["incomplete_details"]
    parts = [part for item in items for part in item.get("content", ())]
    known = ("message", "reasoning", "function_call")
    return Told(
        text=joined("text", [part for part in parts if part["type"] == "output_text"]),
        refusal=joined("refusal", [part for part in parts if part["type"] == "refusal"]),
        reasoning=joined("text", [part for part in parts if part["type"] == "reasoning_text"]),
        summary=joined("text", [part for item in items for part in item.get("summary", ())]),
        calls=tuple((item["name"], item["arguments"]) for item in items if item["type"] == "function_call"),
        others=tuple(item["type"] for item in items if item["type"] not in known),
        tokens=usage and tokens(usage),
        cut=cut and cut["reason"],
    )


def joined(key: str, parts: list[dict[str, Any]]) -> str:
    return "".join(part[key] for part in parts)


def tokens(usage: dict[str, Any]) -> tuple[int, int, int, int]:
    cached = usage["input_tokens_details"]["cached_tokens"]
    reasoned = usage["output_tokens_details"]["reasoning_tokens"]
    return usage["input_tokens"], cached, usage["output_tokens"], reasoned
