"""Arbitrary JSON, and JSON that is nearly right: what comes in at the door."""

from typing import Any

from hypothesis import strategies as st

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def near(**shapes: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these keys, as they should be, save perhaps one that is anything at all."""
    right = st.fixed_dictionaries({}, optional=shapes)
    wrong = st.dictionaries(st.sampled_from(sorted(shapes)), values, max_size=1)
    return st.builds(lambda good, bad: good | bad, right, st.just({}) | wrong)
