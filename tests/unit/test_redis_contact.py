"""An outage of Redis is waited for once in a process, by whoever ends turns then (G6)."""

import pytest

from shared import clock
from shared.stream.contact import Contact

PATIENCE_SECONDS = 2.0


class Time:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(clock, "monotonic", lambda: self.now)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.fixture
def contact(time: Time) -> Contact:
    """Redis has just failed for the first time."""
    contact = Contact()
    assert contact.is_worth_a_try()
    contact.failed()
    return contact


def test_what_can_wait_is_tried_for_a_while_and_a_mere_hint_is_not(contact: Contact, time: Time) -> None:
    assert not contact.is_worth_a_try()
    time.now += PATIENCE_SECONDS - 0.5
    assert contact.is_worth_a_try(PATIENCE_SECONDS)
    contact.failed()
    time.now += 0.6
    assert not contact.is_worth_a_try(PATIENCE_SECONDS)


def test_later_one_in_a_second_looks_whether_redis_is_back(contact: Contact, time: Time) -> None:
    for _ in range(20):
        contact.failed()
        time.now += PATIENCE_SECONDS
        assert [contact.is_worth_a_try(PATIENCE_SECONDS) for _ in range(5)] == [True] + [False] * 4


def test_one_that_was_sent_and_never_came_back_is_replaced(contact: Contact, time: Time) -> None:
    time.now += 1.5
    assert contact.is_worth_a_try()
    time.now += 3.5
    assert contact.is_worth_a_try()


def test_once_it_has_answered_everybody_asks_again(contact: Contact, time: Time) -> None:
    time.now += 1.5
    assert contact.is_worth_a_try()
    contact.made()
    assert contact.is_worth_a_try()
    assert contact.is_worth_a_try()


def test_an_outage_of_long_ago_says_nothing_of_now(contact: Contact, time: Time) -> None:
    """Nobody asked meanwhile: it may have been over for hours."""
    time.now += 3600
    assert [contact.is_worth_a_try() for _ in range(5)] == [True] * 5
