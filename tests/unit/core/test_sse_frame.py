"""Events as bytes (S8): one line each, whatever their text says."""

import pytest
from core_examples import chunk_sequences, log_of, turns
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core import sse_frame
from shared.core.chunks import Chunk
from shared.core.turn import Turn
from shared.wire.response import TEXT_DELTA, Event

law = settings(deadline=None, max_examples=100)

line_ends = ["\n", "\r", "\r\n", "\n\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
texts = st.text() | st.lists(st.sampled_from([*line_ends, "data: [DONE]", "event: x", "id: 7", ": "])).map("".join)
events = st.builds(lambda number, text: delta(text, number), st.integers(0, 2**31 - 1), texts)


def delta(text: str, number: int = 4) -> Event:
    """A delta that says `text`."""
    return {"type": TEXT_DELTA, "sequence_number": number, "item_id": text, "delta": text, "logprobs": [{"t": text}]}


@law
@given(event=events)
def test_no_text_can_write_a_line_of_the_stream(event: Event) -> None:
    """S8: however a client splits lines, as bytes or as text, it sees one event line, one data line, one blank."""
    frame = sse_frame.encode(event)
    for lines in (frame.splitlines(), [line.encode() for line in frame.decode().splitlines()]):
        assert lines[0] == b"event: response.output_text.delta"
        assert lines[1].startswith(b'data: {"type":"response.output_text.delta"')
        assert lines[2:] == [b""]


@pytest.mark.parametrize("end", line_ends)
def test_every_kind_of_line_end_is_escaped(end: str) -> None:
    assert end.encode() not in sse_frame.encode(delta(f"a{end}b")).removesuffix(sse_frame.END).replace(b"\ndata", b"")


@law
@given(event=events)
def test_what_is_encoded_decodes_to_the_same(event: Event) -> None:
    assert sse_frame.decode(sse_frame.encode(event)) == event


@law
@given(many=st.lists(events, max_size=5))
def test_joined_frames_split_into_the_same_frames(many: list[Event]) -> None:
    frames = [sse_frame.encode(event) for event in many]
    assert sse_frame.split(b"".join(frames)) == frames


@settings(deadline=None, max_examples=30)
@given(of=turns, chunks=chunk_sequences)
def test_a_whole_log_survives_the_bytes(of: Turn, chunks: list[Chunk]) -> None:
    """G16: the journal gives back the exact events."""
    log = log_of(of, chunks)
    stored = b"".join(map(sse_frame.encode, log))
    assert [sse_frame.decode(frame) for frame in sse_frame.split(stored)] == log
