"""Q6, exhaustively: an owner never has more than its share at work, and none of its turns is held back for ever."""

import pytest

from tests.model.owner_share import Share, check

# Name of the rule taken away → what then happens.
CAUGHT = {
    "count: of those that were sent": "stuck",
    "release: leaves the sending to the share": "more than the share is at work",
    "sweep: sends again what was sent": "more than the share is at work",
}
ENDS = ("end: gives its room away", "end: any end does")
NET = "sweep: fills the share"


@pytest.mark.parametrize("one_writer", [True, False])
@pytest.mark.parametrize("most", [1, 2])
def test_every_turn_has_its_time_within_the_share(most: int, one_writer: bool) -> None:
    """With a lost message, a cancel at any place and follow-ups, in every order."""
    verdict = check(Share(most, one_writer))

    assert not verdict.violation, verdict
    assert verdict.states >= 800


@pytest.mark.parametrize("rule", CAUGHT)
def test_a_rule_of_the_share_taken_away_is_noticed(rule: str) -> None:
    assert check(Share(1, one_writer=True, removed=frozenset({rule}))).violation == CAUGHT[rule]


def test_one_writer_at_a_time_needs_no_net() -> None:
    assert not check(Share(1, one_writer=True, removed=frozenset({NET}))).violation


def test_the_sweeper_finds_who_was_held_back_at_the_moment_of_the_last_end() -> None:
    """Counting takes no lock: the end that leaves room may not see the turn that is being made."""
    assert check(Share(1, one_writer=False, removed=frozenset({NET}))).violation == "stuck"


@pytest.mark.parametrize("rule", ENDS)
def test_without_the_net_every_end_must_give_its_room_away(rule: str) -> None:
    assert check(Share(1, one_writer=True, removed=frozenset({rule, NET}))).violation == "stuck"
