"""Server-sent events survive every way of slicing and every liberty servers take with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import UpstreamError
from shared.upstream.sse_lines import SseLines


def payloads(stream: bytes, *, slice_bytes: int | None = None) -> list[bytes]:
    lines, size = SseLines(), slice_bytes or max(len(stream), 1)
    found = [payload for at in range(0, len(stream), size) for payload in lines.feed(stream[at : at + size])]
    return found + lines.end()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="plain"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CRLF"),
        pytest.param(b"data:a\n\n", [b"a"], id="no space"),
        pytest.param(b"data:  a\n\n", [b" a"], id="only one space belongs to the field"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="several lines"),
        pytest.param(b": ping\n\ndata: a\n\n: ping\n\n", [b"a"], id="comments"),
        pytest.param(b"event: x\nid: 7\nretry: 3\ndata: a\n\n", [b"a"], id="other fields"),
        pytest.param(b"event: x\n\ndatabase: y\n\ndata: a\n\n", [b"a"], id="events without data"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="byte order mark"),
        pytest.param(b"data: a\n\n\n\n\ndata: b\n\n", [b"a", b"b"], id="more empty lines than needed"),
        pytest.param(b"data:\n\ndata: \n\ndata: a\n\n", [b"a"], id="empty data"),
        pytest.param(b"data: a\n\ndata: b", [b"a", b"b"], id="no empty line at the end"),
        pytest.param(b"data: a:b: c\n\n", [b"a:b: c"], id="colons in the data"),
        pytest.param(b"", [], id="nothing"),
    ],
)
@pytest.mark.parametrize("slice_bytes", [None, 1, 2, 3, 7])
def test_payloads(stream: bytes, expected: list[bytes], slice_bytes: int | None) -> None:
    assert payloads(stream, slice_bytes=slice_bytes) == expected


def test_an_event_comes_out_with_the_byte_that_completes_it() -> None:
    lines = SseLines()
    assert lines.feed(b"data: a\n") == []
    assert lines.feed(b"\ndata: b") == [b"a"]


texts = st.binary(min_size=1).filter(lambda data: not set(b"\r\n") & set(data) and not data.startswith(b" "))
events = st.lists(st.tuples(texts, st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b": hi", b"id: 1"])))


@given(events, st.lists(st.integers(min_value=1, max_value=9), min_size=1))
def test_any_events_in_any_slices(events: list[tuple[bytes, bytes, bytes]], sizes: list[int]) -> None:
    """G14, on the upstream's side: where the reads fall does not matter."""
    stream = b"".join(noise + end + b"data: " + text + end + end for text, end, noise in events)
    lines, found, at, turn = SseLines(), list[bytes](), 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += lines.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == [text for text, _, _ in events]


@pytest.mark.parametrize("endless", [b"x", b"data: x\n"], ids=["line", "event of many lines"])
def test_an_endless_event_is_refused(endless: bytes) -> None:
    lines = SseLines(longest_event_bytes=1000)
    for _ in range(1000 // len(endless)):
        assert lines.feed(endless) == []
    with pytest.raises(UpstreamError):
        lines.feed(endless)


def test_the_limit_is_for_one_event_not_for_the_stream() -> None:
    lines = SseLines(longest_event_bytes=100)
    for _ in range(100):  # each read ends in the middle of an event
        lines.feed(b"data: first half")
        assert lines.feed(b", second half\n\ndata: next\n") != []
        lines.feed(b": a comment\n\n")


def test_heartbeats_may_go_on_for_ever() -> None:
    lines = SseLines(longest_event_bytes=100)
    assert [lines.feed(b": still here\n\n") for _ in range(100)] == [[]] * 100
