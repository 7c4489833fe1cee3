"""Free text comes out of a model's JSON as it was meant, however it was cut and escaped (R11)."""

import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.core.custom_input import CustomInput

law = settings(deadline=None, max_examples=300)

texts = st.text(max_size=20) | st.text(alphabet='"\\\\/nu0d8\n🦜é', max_size=20)
cuts = st.lists(st.integers(0, 200), max_size=6)


def read(written: str, edges: list[int] | None = None) -> str:
    custom = CustomInput()
    places = sorted({0, len(written), *(min(edge, len(written)) for edge in edges or [])})
    return "".join(custom.feed(written[start:stop]) for start, stop in itertools.pairwise(places))


@law
@given(text=texts, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]), cuts=cuts)
@example(text="🦜", ascii_only=True, indent=None, cuts=[12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22])
def test_what_was_written_as_json_is_read_as_text(
    text: str, ascii_only: bool, indent: int | None, cuts: list[int]
) -> None:
    written = json.dumps({"input": text}, ensure_ascii=ascii_only, indent=indent)
    assert read(written, cuts) == text.replace("\x00", "\ufffd")


@law
@given(written=texts | st.builds('{{"input":"{}'.format, texts), cuts=cuts)
def test_how_it_was_cut_does_not_matter(written: str, cuts: list[int]) -> None:
    assert read(written, cuts) == read(written)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("ls -la", "ls -la"),
        ("{}", "{}"),
        ('{"command": "ls"}', '{"command": "ls"}'),
        ('{"input": 5}', '{"input": 5}'),
        ('"ls"', '"ls"'),
        ("", ""),
    ],
)
def test_a_model_that_writes_anything_else_is_taken_at_its_word(written: str, text: str) -> None:
    assert read(written) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"\d+\s", r"\d+\s"),
        (r"C:\users", r"C:\users"),
        (r"\u00", ""),
        ("two\nlines", "two\nlines"),
        (r"half \ud83e", "half "),
        (r"half \ud83e of", "half \ufffd of"),
        (r"other half \udd9c", "other half \ufffd"),
        (r"nothing \u0000", "nothing \ufffd"),
    ],
)
def test_bad_escapes_stand_for_themselves_and_half_characters_for_none(written: str, text: str) -> None:
    """What may still become a whole escape is held back."""
    assert read('{"input":"' + written) == text


def test_what_follows_the_text_is_left_out() -> None:
    assert read('{"input":"ls","why":"to see"}') == "ls"
    assert read(r'{"input":"half \ud83e"}') == "half \ufffd"


def test_each_piece_is_passed_on_at_once() -> None:
    custom = CustomInput()
    assert [custom.feed(piece) for piece in ('{"in', 'put": "l', "s\\", "n-", 'la"', "}")] == [
        "",
        "l",
        "s",
        "\n-",
        "la",
        "",
    ]
