"""G25: streams are refused before anything is accepted, in all and for one owner."""

import pytest

from api.stream_limits import StreamLimits
from shared.errors import RateLimited


def test_an_owner_has_at_most_its_share() -> None:
    limits = StreamLimits(most=3, most_per_owner=2)
    for _ in range(2):
        limits.take("alice")
    with pytest.raises(RateLimited):
        limits.take("alice")
    limits.take("bob")


def test_all_together_have_at_most_what_the_process_holds() -> None:
    limits = StreamLimits(most=2, most_per_owner=2)
    limits.take("alice")
    limits.take("bob")
    with pytest.raises(RateLimited) as refused:
        limits.take("carol")
    assert refused.value.retry_after_seconds >= 1


def test_a_slot_let_go_is_free_once() -> None:
    limits = StreamLimits(most=2, most_per_owner=2)
    first, _ = limits.take("alice"), limits.take("alice")
    first.let_go()
    first.let_go()
    limits.take("alice")
    with pytest.raises(RateLimited):
        limits.take("alice")


def test_a_slot_is_given_back_if_what_it_was_for_fails() -> None:
    limits = StreamLimits(most=1, most_per_owner=1)
    with pytest.raises(KeyError), limits.take("alice"):
        raise KeyError
    with limits.take("alice"):
        pass
    with pytest.raises(RateLimited):
        limits.take("alice")
