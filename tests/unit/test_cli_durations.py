"""Durations as a person types them."""

import pytest

from shared.cli.durations import seconds
from shared.cli.errors import CommandError


@pytest.mark.parametrize(("text", "length"), [("12h", 43_200), ("90d", 7_776_000), ("4w", 2_419_200)])
def test_a_number_and_a_unit(text: str, length: int) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "d", "90", "-1d", "0d", "1.5d", "90 d", "²d", "9" * 5000 + "d", "100000d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        seconds(text)
