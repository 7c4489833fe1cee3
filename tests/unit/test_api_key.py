"""API keys: their form, what is kept of them, and what they allow."""

import pytest

from shared import ids
from shared.core import api_key
from shared.core.api_key import ApiKey, Caller

NOW = 1_000.0


def stored(key: str, **times: float) -> ApiKey:
    prefix = api_key.prefix_of(key)
    assert prefix
    return ApiKey(prefix, api_key.digest(key), Caller("anna"), NOW, **times)


def test_a_new_key_has_a_beginning_to_find_it_by_and_32_random_bytes() -> None:
    key = ids.new_api_key()
    start, prefix, secret = key.removeprefix("sk-").split("-", 2)
    assert (start, prefix) == ("ts", api_key.prefix_of(key))
    assert len(secret) == 43


def test_what_is_kept_does_not_hold_the_secret() -> None:
    key = ids.new_api_key()
    assert key[19:] not in repr(stored(key))


def test_it_opens_for_itself_alone() -> None:
    key = ids.new_api_key()
    other = key[:19] + ids.new_api_key()[19:]
    assert stored(key).opens(key, NOW)
    assert not stored(key).opens(other, NOW)


def test_it_is_good_until_it_expires_or_is_revoked() -> None:
    key = ids.new_api_key()
    assert stored(key, expires_at=NOW + 1).opens(key, NOW)
    assert not stored(key, expires_at=NOW).opens(key, NOW)
    assert not stored(key, revoked_at=NOW).opens(key, NOW)


@pytest.mark.parametrize("text", ["", "sk-ts-", "unused", "sk-ts-" + "0" * 12 + "-short", "é" * 62, "x" * 100_000])
def test_what_has_not_the_form_of_a_key_is_looked_up_nowhere(text: str) -> None:
    assert api_key.prefix_of(text) is None


@pytest.mark.parametrize(
    ("models", "allowed"),
    [(None, True), (("llama*",), True), (("gpt-?", "llama-3"), True), (("Llama*",), False), ((), False)],
)
def test_models_are_allowed_by_pattern(models: tuple[str, ...] | None, allowed: bool) -> None:
    assert Caller("anna", models=models).may_use("llama-3") is allowed
