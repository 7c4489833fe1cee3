"""Every safeguard of the turn protocol taken away in turn: each time a promise breaks (G1, G5, G20).

Those without which all still holds are covered by a second rule: with that one gone too, the promise breaks.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.model.turn_protocol import check
from tests.model.turn_state import Rules, faults

# Name of the safeguard → the faults with which its absence shows, and what else the configuration says.
CAUGHT: dict[str, Rules] = {
    # CLAIM
    "claim: lease over": Rules(faults(duplicate=1)),
    "claim: next number": Rules(faults(stall=1, flush=1, cancel=1), outputs=1),
    "claim: no ending": Rules(faults(cancel=1, ender_death=1, duplicate=1), outputs=1, attempts=3),
    "attempts are limited": Rules(faults(kill=2), outputs=0),
    "restart only unseen": Rules(faults(kill=1)),
    "renew: fenced": Rules(faults(cancel=1, ender_death=1)),
    # OUTPUT START
    "output start is written": Rules(faults(kill=1)),
    "output start is written first": Rules(faults(kill=1)),
    "output start is fenced": Rules(faults(stall=1)),
    "output start after the claim's append": Rules(faults(cancel=1)),
    # APPEND and heal
    "append: no higher fence": Rules(faults(cancel=1)),
    "append: no lower fence": Rules(faults(stall=1, flush=1, cancel=1), outputs=1),
    "append: fence there": Rules(faults(flush=1, cancel=1)),
    "append: no gap": Rules(faults(flush=1, cancel=1)),
    "heal: whole in one call": Rules(faults(flush=1, cancel=1), pieces=True),
    "heal: ask SQL": Rules(faults(flush=1, cancel=1)),
    "heal: fence before SQL": Rules(faults(flush=2, cancel=1), outputs=1),
    # FINISH
    "finish: attempt": Rules(faults(stall=1)),
    "finish: in progress": Rules(faults(unheard=1)),
    "finish: stored before told": Rules(faults()),
    # END FROM OUTSIDE
    "take over: next number": Rules(faults(cancel=1)),
    "take over: no ending": Rules(faults(cancel=1, age=1)),
    "freeze: raise the fence": Rules(faults(cancel=1)),
    "freeze: raise before reading": Rules(faults(cancel=1)),
    "freeze: raise and read in one": Rules(faults(cancel=1, outage=1), outputs=1),
    "end: in progress": Rules(faults(cancel=1, stall=1)),
    "adopt: same ending": Rules(faults(cancel=1, ender_death=1)),
    "adopt: same number": Rules(faults(cancel=1, stall=1), outputs=1),
    # SWEEPER
    "sweep: send the lost again": Rules(faults(kill=1)),
    "sweep: no more than missing": Rules(faults()),
    "sweep: wake the restartable": Rules(faults(kill=1)),
    "sweep: fail the lost": Rules(faults(kill=1)),
    "sweep: lease over": Rules(faults()),
    "sweep: adopt dead enders": Rules(faults(cancel=1, ender_death=1)),
    "abandoned: swept": Rules(faults(api_death=1), foreground=True, endless=True),
    "abandoned: only with a waiter": Rules(faults(api_death=1)),
    # SUBSCRIBER
    "observe": Rules(faults(kill=1)),
    "observe before looking": Rules(faults(kill=1)),
    "drop older attempts": Rules(faults(kill=1)),
    "no gap": Rules(faults()),
    "the end in its turn": Rules(faults(cancel=1)),
    "look at the row": Rules(faults()),
    "read the log again": Rules(faults(), endless=True),
}


@dataclass(frozen=True)
class Covered:
    """By which other safeguards, and under which rules both alone are enough."""

    by: frozenset[str]
    rules: Rules


COVERED: dict[str, Covered] = {
    # A takeover has taken the number as well.
    "finish: no ending": Covered(frozenset({"take over: next number"}), Rules(faults(cancel=1), outputs=0)),
    # No ending is replaced by another one.
    "end: ending": Covered(frozenset({"take over: no ending"}), Rules(faults(drain=1, cancel=1))),
    # No number changes once there is an ending.
    "end: attempt": Covered(
        frozenset({"end: ending", "claim: no ending"}),
        Rules(faults(age=1, stall=1, duplicate=1), outputs=1, attempts=3),
    ),
    # An end that was lost has a number above all others; a reader that was there gets any end.
    "end: number of the lost": Covered(frozenset({"renumber the end"}), Rules(faults(flush=1, cancel=1))),
    "renumber the end": Covered(frozenset({"end: number of the lost"}), Rules(faults(flush=1, cancel=1))),
}


def test_every_safeguard_of_the_model_is_taken_away() -> None:
    sources = (path.read_text() for path in Path(__file__).parent.glob("*_steps.py"))
    named = {name for source in sources for name in re.findall(r'keeps\("(.+?)"\)', source)}

    assert named == CAUGHT.keys() | COVERED.keys()


@pytest.mark.parametrize("safeguard", CAUGHT)
def test_a_safeguard_taken_away_is_noticed(safeguard: str) -> None:
    rules = CAUGHT[safeguard]

    assert not check(rules).violation
    assert check(replace(rules, removed=frozenset({safeguard}))).violation


@pytest.mark.parametrize("safeguard", COVERED)
def test_a_safeguard_that_is_not_missed_is_covered_by_a_second_one(safeguard: str) -> None:
    covered = COVERED[safeguard]

    for removed in (frozenset({safeguard}), covered.by):
        assert not check(replace(covered.rules, removed=removed)).violation
    assert check(replace(covered.rules, removed=covered.by | {safeguard})).violation
