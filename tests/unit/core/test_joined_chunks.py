"""A model faster than its readers has many pieces in one read: they travel as one event, and nothing else changes."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from shared.core.chunks import Chunk, Finish, Reasoning, Text, ToolCall, joined

CHUNKS = st.one_of(
    st.builds(Text, st.text(max_size=3), st.just(())),
    st.builds(Text, st.text(max_size=3), st.just(({"token": "a"},))),
    st.builds(Reasoning, st.text(max_size=3)),
    st.builds(ToolCall, st.integers(0, 2), arguments=st.text(max_size=3)),
    st.just(Finish("stop")),
)


@given(st.lists(CHUNKS))
def test_joining_changes_no_text_and_no_order(chunks: list[Chunk]) -> None:
    assert letters(joined(chunks)) == letters(chunks)


@given(st.lists(CHUNKS))
def test_no_two_plain_texts_follow_one_another(chunks: list[Chunk]) -> None:
    after = list(joined(chunks))
    assert not any(plain(one) and plain(two) for one, two in itertools.pairwise(after))


def test_what_came_alone_stays_alone() -> None:
    """At a model's usual pace each piece is an event of its own, at once."""
    assert joined([Text("a")]) == [Text("a")]


def plain(chunk: Chunk) -> bool:
    return isinstance(chunk, Text) and not chunk.logprobs


def letters(chunks: object) -> list[object]:
    """Plain text letter by letter, all else as it is."""
    result: list[object] = []
    for chunk in chunks:  # type: ignore[attr-defined]
        result.extend(chunk.text) if plain(chunk) else result.append(chunk)
    return result
