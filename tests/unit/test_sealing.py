"""What was sealed opens unchanged, for its purpose, in its time, and under its key only."""

import time

import pytest

from shared.sealing import Seal

SECRET = "k" * 32


def test_what_was_sealed_opens() -> None:
    assert Seal(SECRET, "a").open(Seal(SECRET, "a").close(b"content")) == b"content"


def test_nothing_of_the_content_shows() -> None:
    assert "content" not in Seal(SECRET, "a").close(b"content")


@pytest.mark.parametrize("other", [Seal("l" * 32, "a"), Seal(SECRET, "b")], ids=["key", "purpose"])
def test_another_key_or_purpose_does_not_open_it(other: Seal) -> None:
    assert other.open(Seal(SECRET, "a").close(b"content")) is None


@pytest.mark.parametrize("sealed", ["", "x", "é", "gAAAA" + "=" * 20])
def test_what_was_never_sealed_does_not_open(sealed: str) -> None:
    assert Seal(SECRET, "a").open(sealed) is None


def test_what_is_too_old_does_not_open() -> None:
    seal = Seal(SECRET, "a")
    old = seal._fernet.encrypt_at_time(b"content", int(time.time()) - 301).decode()
    assert seal.open(old, 300) is None
    assert seal.open(old) == b"content"
