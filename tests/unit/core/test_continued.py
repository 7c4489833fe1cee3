"""A stream that must be ended by the stored Response alone goes on from what its reader has seen (G13, G16)."""

from typing import Any

import pytest
from core_examples import chunk_sequences, final, log_of, outcomes, turn, turns
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.chunks import Chunk, Finish, Reasoning, Text, ToolCall
from shared.core.replay import continued
from shared.core.response_fold import ResponseFold
from shared.core.response_render import lifecycle_events
from shared.core.turn import Outcome, Turn
from shared.wire.response import LOST_NUMBER, Event
from tests.stream_rules import check_stream

law = settings(deadline=None, max_examples=150)


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes, data=st.data())
def test_wherever_the_reader_was_the_whole_is_one_stream(
    of: Turn, chunks: list[Chunk], outcome: Outcome, data: st.DataObject
) -> None:
    """Nothing is said twice, nothing is left open, and it adds up to what is stored."""
    log = log_of(of, chunks, outcome)
    cut = data.draw(st.integers(len(lifecycle_events(of)), len(log) - 1))
    whole = log[:cut] + continued(ResponseFold.of(log[:cut]), final(log))
    check_stream(whole)
    assert ResponseFold.of(whole).response() == final(log)
    assert ResponseFold.of(whole[:-1]).output() == final(log)["output"]


@law
@given(of=turns, chunks=chunk_sequences, others=chunk_sequences, outcome=outcomes, data=st.data())
def test_what_was_seen_is_closed_though_another_thing_is_stored(
    of: Turn, chunks: list[Chunk], others: list[Chunk], outcome: Outcome, data: st.DataObject
) -> None:
    """The numbers go on, everything added is done, and the end is the stored one."""
    log = log_of(of, chunks, outcome)
    cut = data.draw(st.integers(len(lifecycle_events(of)), len(log) - 1))
    stored = final(log_of(of, others, outcome))
    whole = log[:cut] + continued(ResponseFold.of(log[:cut]), stored)
    assert [event["sequence_number"] for event in whole] == list(range(len(whole)))
    added = [event["output_index"] for event in whole if event["type"] == "response.output_item.added"]
    done = [event["output_index"] for event in whole if event["type"] == "response.output_item.done"]
    assert sorted(added) == sorted(done)
    assert whole[-1]["response"] == stored


@law
@given(of=turns, chunks=chunk_sequences, data=st.data())
def test_a_lost_log_leaves_nothing_open(of: Turn, chunks: list[Chunk], data: st.DataObject) -> None:
    log = log_of(of, chunks)
    cut = data.draw(st.integers(len(lifecycle_events(of)), len(log) - 1))
    lost = final(log) | {"output": [], "status": "failed"}
    whole = log[:cut] + continued(ResponseFold.of(log[:cut]), lost, LOST_NUMBER)
    check_stream(whole)
    assert whole[-1]["sequence_number"] == LOST_NUMBER


SAID: list[Chunk] = [Reasoning("Hm."), Text("Hello"), ToolCall(0, "c", "look_up", "{}"), Finish("tool_calls")]


@pytest.mark.parametrize("cut", range(3, 20))
def test_only_what_is_missing_is_said(cut: int) -> None:
    log = log_of(turn(), SAID)
    whole = log[:cut] + continued(ResponseFold.of(log[:cut]), final(log))
    assert [_told(event) for event in whole] == [_told(event) for event in log]


def _told(event: Event) -> tuple[str, Any]:
    return event["type"], event.get("delta")
