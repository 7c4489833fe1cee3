"""A stored Response as a stream: for turns whose own events were never journalled (S2)."""

from core_examples import chunk_sequences, final, log_of, outcomes, turn, turns
from hypothesis import given, settings

from shared.core.chunks import Chunk, Reasoning, Text, ToolCall
from shared.core.replay import replay
from shared.core.response_fold import ResponseFold
from shared.core.response_render import lifecycle_events
from shared.core.turn import Outcome, Turn
from shared.wire.response import TERMINAL_EVENTS
from tests.stream_rules import check_stream

law = settings(deadline=None, max_examples=60)


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes)
def test_a_replay_folds_to_what_is_stored(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    """G16: and its output is there before the terminal event."""
    stored = final(log_of(of, chunks, outcome))
    events = replay(of, stored)
    assert ResponseFold.of(events).response() == stored
    assert ResponseFold.of(events[:-1]).output() == stored["output"]


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes)
def test_a_replay_is_a_stream_like_any_other(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    """G13: same lifecycle, same order, numbers without gap, the same terminal event."""
    log = log_of(of, chunks, outcome)
    events = replay(of, final(log))
    check_stream(events)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    lifecycle = lifecycle_events(of)
    assert events[: len(lifecycle)] == lifecycle
    assert [e["type"] for e in events if e["type"] in TERMINAL_EVENTS] == [log[-1]["type"]]


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes)
def test_a_replay_of_a_replay_is_the_same(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    events = replay(of, final(log_of(of, chunks, outcome)))
    assert replay(of, final(events)) == events


def test_each_part_is_one_delta() -> None:
    said = [
        Reasoning("h"),
        Reasoning("m"),
        Text("a"),
        Text("b"),
        ToolCall(0, "c", "f", "{"),
        ToolCall(0, arguments="}"),
    ]
    events = replay(turn(), final(log_of(turn(), said)))
    assert [event["delta"] for event in events if event["type"].endswith(".delta")] == ["hm", "ab", "{}"]
