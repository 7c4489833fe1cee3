"""G22, exhaustively: one turn of a conversation at a time, in order, and none blocked by how another one ended."""

import pytest

from tests.model.conversation_order import Order, check

# Name of the rule taken away → what then happens, as the shortest way there tells.
CAUGHT = {
    "claim: waits for nobody": "a turn runs before one that was made earlier",
    "make: wait for the last": "a turn runs before one that was made earlier",
    "make: hold the conversation": "a turn runs before one that was made earlier",
    "end: append in its transaction": "a turn runs without having seen those before it",
    "end: release in its transaction": "a turn runs before one that was made earlier",
    "end: any end releases": "a turn runs before one that was made earlier",
    "end: heirs wait for whom it waited for": "a turn runs before one that was made earlier",
}
# With the sweeper's net away too, waiting for another's success instead of its end is waiting for ever.
BLOCKED = ("end: any end releases", "end: release in its transaction")


def test_turns_of_a_conversation_run_in_order_whatever_ends_them() -> None:
    """G22: with a death, a failure, a cancel at any place and a deletion of the conversation, in every order."""
    verdict = check(Order())

    assert not verdict.violation, verdict
    assert verdict.states >= 4_000


@pytest.mark.parametrize("rule", CAUGHT)
def test_a_rule_of_the_order_taken_away_is_noticed(rule: str) -> None:
    """G22: every rule is needed."""
    assert check(Order(frozenset({rule}))).violation == CAUGHT[rule]


def test_the_sweepers_release_is_a_net_below_the_release_in_every_end() -> None:
    """G22: nothing hangs on the net alone while every end lets go of those that wait."""
    assert not check(Order(frozenset({"sweep: release orphans"}))).violation


@pytest.mark.parametrize("rule", BLOCKED)
def test_without_the_net_a_turn_that_is_not_let_go_waits_for_ever(rule: str) -> None:
    """G22: the net is what holds when an end has let nobody go."""
    assert check(Order(frozenset({rule, "sweep: release orphans"}))).violation == "stuck"
