"""Live messages: a head that names attempt and numbers, then the frames as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.stream.keys import Keys, Live

numbers = st.integers(0, 2**31 - 1)


@given(st.builds(Live, work=numbers, first=numbers, count=numbers, frames=st.binary()))
def test_a_message_reads_back_as_it_was_written(message: Live) -> None:
    """Whatever the frames hold, line breaks and spaces too."""
    assert Live.decode(message.encode()) == message


@pytest.mark.parametrize(("first", "count", "last"), [(0, 1, 0), (5, 3, 7), (2147483647, 1, 2147483647)])
def test_the_last_number_follows_from_the_first(first: int, count: int, last: int) -> None:
    assert Live(1, first, count, b"").last == last


def test_every_name_starts_with_the_deployments_prefix() -> None:
    """S6: two deployments can share one Redis."""
    keys = Keys("one")
    names = [keys.fence("r"), keys.log("r", 1), keys.live("r"), keys.cancel, keys.ends("p")]
    assert all(name.startswith("one:") for name in names)
    assert len(set(names)) == len(names)
