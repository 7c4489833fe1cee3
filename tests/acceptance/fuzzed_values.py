"""Values that look like those of requests, and are not."""

from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.wire.requests import CreateResponse

T = TypeVar("T")

FIELDS = [*CreateResponse.model_fields, "conversation", "prompt", "client_metadata"]
WORDS = ["message", "function_call", "function_call_output", "reasoning", "item_reference", "function", "input_text"]
KEYS = ["type", "role", "content", "id", "status", "call_id", "name", "arguments", "output", "text", "format", "schema"]

text = st.one_of(
    st.sampled_from([*WORDS, "user", "assistant", "auto", "", "x", "resp_x", "\u0000", "\u2028", "1"]),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
    text,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), text), inner, max_size=6),
    ),
    max_leaves=12,
)
items = st.lists(st.dictionaries(st.sampled_from(KEYS), values, max_size=5), max_size=4)


def contents(count: int) -> list[Any]:
    """Values of fields. They take long to draw: bodies made of the same ones, in ever other ways, do not."""
    return drawn(values | items, count)


def drawn(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """So many examples, before any is used."""
    found: list[T] = []

    @settings(max_examples=count, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(one: T) -> None:
        found.append(one)

    draw()
    return found
