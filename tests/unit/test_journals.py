"""A journal gives back what was put in, whatever its size, and says when it was cut instead of waiting for the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.store.journals import Recording, compress

FRAMES = st.lists(st.binary(max_size=40).map(lambda text: b"data: " + text.replace(b"\n", b"") + b"\n\n"), min_size=1)


@given(FRAMES, st.integers(0, 2))
def test_frames_come_back_as_they_were(frames: list[bytes], large: int) -> None:
    """S3: also those larger than what is unpacked at a time."""
    frames += [b"data: " + bytes([97 + index]) * 200_000 + b"\n\n" for index in range(large)]
    assert list(Recording(compress(frames), lost=False)) == frames


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_a_journal_may_end_exactly_with_a_piece(pieces: int) -> None:
    frame = b"x" * (pieces * 64 * 1024 - 2) + b"\n\n"
    assert list(Recording(compress([frame]), lost=False)) == [frame]


def test_a_journal_that_was_cut_is_an_error() -> None:
    packed = compress([b"data: " + bytes(range(65, 91)) * 20 + b"\n\n"] * 20)
    with pytest.raises(EOFError):
        list(Recording(packed[:-10], lost=False))


def test_an_empty_journal_is_an_error() -> None:
    with pytest.raises(EOFError):
        list(Recording(b"", lost=False))
