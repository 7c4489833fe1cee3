"""Ending a turn that somebody else was writing: by its log alone (R11, G3, G20)."""

from collections.abc import Sequence

from core_examples import ENDED_AT, assembly, chunk_sequences, final, log_of, outcomes, turn, turns
from hypothesis import given, settings
from hypothesis import strategies as st
from response_shape import assert_ended

from shared.core import sse_frame
from shared.core.chunks import Chunk, Text, ToolCall
from shared.core.emission import Emission
from shared.core.response_fold import ResponseFold
from shared.core.response_render import lifecycle_events
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.wire.response import LOST_NUMBER, Event
from tests.stream_rules import check_stream

law = settings(deadline=None, max_examples=50)


def end_by_log(log: Sequence[Event], outcome: Outcome, number: int | None = None) -> list[Event]:
    """The closing events of an ender that has nothing but the log's bytes."""
    stored = b"".join(sse_frame.encode(event) for event in log)
    fold = ResponseFold.of(sse_frame.decode(frame) for frame in sse_frame.split(stored))
    emission = Emission(fold)
    emission.end(outcome, number)
    return emission.take()


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes, data=st.data())
def test_a_log_cut_anywhere_can_be_ended(of: Turn, chunks: list[Chunk], outcome: Outcome, data: st.DataObject) -> None:
    """R11: the partial output is kept, the numbers go on, and the whole is one valid stream."""
    log = log_of(of, chunks)[:-1]
    cut = data.draw(st.integers(len(lifecycle_events(of)), len(log)))
    whole = log[:cut] + end_by_log(log[:cut], outcome)
    assert [event["sequence_number"] for event in whole] == list(range(len(whole)))
    check_stream(whole)
    assert_ended(final(whole))
    assert final(whole)["status"] == outcome.status
    assert _text(final(whole)["output"]) == _deltas(log[:cut])


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes)
def test_the_ender_writes_what_the_worker_would_have_written(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    """One routine closes a turn, whoever ends it."""
    assembled = assembly(of)
    log = lifecycle_events(of) + assembled.feed(chunks)
    assert end_by_log(log, outcome) == assembled.end(outcome)


@law
@given(of=turns, outcome=outcomes)
def test_a_lost_log_is_ended_above_every_number_seen(of: Turn, outcome: Outcome) -> None:
    """G13 excepts a turn marked lost: no partial output, and a terminal number no client can have passed."""
    closing = end_by_log(lifecycle_events(of), outcome, LOST_NUMBER)
    assert [event["sequence_number"] for event in closing] == [LOST_NUMBER]
    assert_ended(final(closing))
    assert final(closing)["output"] == []


def test_a_cancelled_stream_ends_with_failed_and_says_cancelled_inside() -> None:
    """S3: no SDK knows a cancelled event; the call cut short is incomplete, the text before it is done."""
    log = lifecycle_events(turn()) + assembly(turn()).feed([Text("Let me look."), ToolCall(0, "c", "look_up", '{"q')])
    closing = end_by_log(log, Outcome(Status.CANCELLED, ENDED_AT))
    assert [event["type"] for event in closing] == [
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.failed",
    ]
    body = final(closing)
    assert (body["status"], body["error"], body["completed_at"]) == ("cancelled", None, None)
    assert [(item["type"], item["status"]) for item in body["output"]] == [
        ("message", "completed"),
        ("function_call", "incomplete"),
    ]
    assert body["output"][1]["arguments"] == '{"q'


def _deltas(log: Sequence[Event]) -> str:
    by_item: dict[int, str] = {}
    for event in log:
        if event["type"].endswith(".delta"):
            by_item[event["output_index"]] = by_item.get(event["output_index"], "") + event["delta"]
    return "".join(text for _, text in sorted(by_item.items()))


def _text(output: list[dict[str, object]]) -> str:
    return "".join(str(item.get("arguments", item.get("input", ""))) + "".join(_part_texts(item)) for item in output)


def _part_texts(item: dict[str, object]) -> list[str]:
    parts = item.get("content", [])
    assert isinstance(parts, list)
    return [part.get("text", part.get("refusal")) for part in parts]
