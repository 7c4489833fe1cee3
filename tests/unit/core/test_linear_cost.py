"""A long answer costs linear work: operations are counted, not timed."""

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from core_examples import ENDED_AT, assembly, log_of, turn

from shared.core import sse_frame
from shared.core.assembly import Assembly
from shared.core.chunks import Chunk, Reasoning, Refusal, Text, ToolCall
from shared.core.emission import Emission
from shared.core.response_fold import ResponseFold

KINDS: dict[str, Callable[[int], list[Chunk]]] = {
    "text": lambda n: [Text("word ")] * n,
    "text with logprobs": lambda n: [Text("word ", ({"token": "word "},))] * n,
    "refusal": lambda n: [Refusal("no ")] * n,
    "reasoning": lambda n: [Reasoning("hm ")] * n,
    "one call": lambda n: [ToolCall(0, "call_a", "look_up", "1")] * n,
    "calls in turns": lambda n: [ToolCall(i % 4, f"call_{i % 4}", "look_up", "1") for i in range(n)],
    "many parts": lambda n: [Text("a"), Refusal("b")] * (n // 2),
    "many items": lambda n: [Text("a"), Reasoning("b")] * (n // 2),
}
kinds = pytest.mark.parametrize("made", KINDS.values(), ids=KINDS.keys())


def operations(act: Callable[[], object]) -> int:
    """How many calls `act` makes, C functions included."""
    count = 0

    def counting(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        act()
    finally:
        sys.setprofile(before)
    return count


@kinds
def test_twice_the_chunks_are_at_most_twice_the_work(made: Callable[[int], list[Chunk]]) -> None:
    def work(n: int) -> int:
        chunks = made(n)
        return operations(lambda: log_of(turn(), chunks))

    assert work(2000) <= 2.1 * work(1000)


@kinds
def test_twice_the_chunks_are_at_most_twice_the_log(made: Callable[[int], list[Chunk]]) -> None:
    """No event before the last repeats what went before, save one `done` each of text, part and item."""

    def size(n: int) -> int:
        return sum(len(sse_frame.encode(event)) for event in log_of(turn(), made(n)))

    assert size(2000) <= 2.1 * size(1000)


def test_the_text_of_an_open_part_is_kept_in_pieces() -> None:
    """Adding to a string would copy all of it for each delta."""
    assembled: Assembly = assembly(turn())
    assembled.feed([Text("word ")] * 500)
    part = assembled.fold.open[0].part
    assert part is not None
    assert part.pieces == ["word "] * 500


def test_the_arguments_of_an_open_call_are_kept_in_pieces() -> None:
    assembled = assembly(turn())
    assembled.feed([ToolCall(0, "call_a", "look_up", "1")] * 500)
    assert assembled.fold.open[0].arguments == ["1"] * 500


def test_an_enders_fold_costs_as_much_for_each_event() -> None:
    def work(n: int) -> int:
        log = log_of(turn(), [Text("word ")] * n)[:-1]
        outcome = assembly(turn()).outcome(ENDED_AT)
        return operations(lambda: Emission(ResponseFold.of(log)).end(outcome))

    assert work(2000) <= 2.1 * work(1000)
