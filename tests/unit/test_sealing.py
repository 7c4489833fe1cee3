"""What was sealed opens unchanged, for its purpose and its name, in its time, and under its key only."""

import time

import orjson
import pytest
from pydantic import SecretStr

from shared.errors import InvalidRequest
from shared.sealing import Purpose, Seal

KEY = SecretStr("k" * 32)
SEAL = Seal(KEY, Purpose.SUMMARY)
KEYLESS = Seal(None, Purpose.SUMMARY)


def test_what_was_sealed_opens() -> None:
    assert Seal(KEY, Purpose.SUMMARY).open("me", SEAL.close("me", "All of it.")) == "All of it."


def test_nothing_of_the_text_shows() -> None:
    assert "All of it." not in SEAL.close("me", "All of it.")


@pytest.mark.parametrize(
    "other",
    [Seal(SecretStr("l" * 32), Purpose.SUMMARY), *(Seal(KEY, one) for one in Purpose if one is not Purpose.SUMMARY)],
)
def test_another_key_or_purpose_does_not_open_it(other: Seal) -> None:
    assert other.open("me", SEAL.close("me", "All of it.")) is None


def test_another_name_does_not_open_it() -> None:
    assert SEAL.open("you", SEAL.close("me", "All of it.")) is None


@pytest.mark.parametrize("sealed", ["", "x", "é", "gAAAA" + "=" * 20, "\ud83e"])
def test_what_was_never_sealed_does_not_open(sealed: str) -> None:
    assert SEAL.open("me", sealed) is None


def test_what_is_too_old_does_not_open() -> None:
    assert SEAL._fernet is not None
    old = SEAL._fernet.encrypt_at_time(orjson.dumps(["me", "It."]), int(time.time()) - 301).decode()
    assert SEAL.open("me", old, 300) is None
    assert SEAL.open("me", old) == "It."


def test_of_several_those_that_open_are_given() -> None:
    assert SEAL.open_each("me", [SEAL.close("me", "a"), "x", SEAL.close("me", "b")]) == ["a", "b"]


def test_without_a_key_nothing_is_sealed_and_nothing_opens() -> None:
    assert KEYLESS.open("me", SEAL.close("me", "All of it.")) is None
    for refusing in (KEYLESS.require, lambda: KEYLESS.close("me", "All of it.")):
        with pytest.raises(InvalidRequest, match="to seal summaries with") as refused:
            refusing()
        assert refused.value.code == "no_secret_key"
