"""The turn protocol, exhaustively: every interleaving of one turn's actors within a budget of faults.

In every state it is asked: is an end changed (G1: one terminal state, and every schedule reaches it), an acknowledged
cancel undone (G20), output of two attempts delivered, or output that is not what is stored (G5), anything written by a
worker that has lost its turn. Each configuration says how many states it has at least, so that none shrinks unseen.
"""

from dataclasses import dataclass

import pytest

from tests.model.turn_protocol import check
from tests.model.turn_state import Rules, faults


@dataclass(frozen=True)
class Configuration:
    """What may happen, and how many states that makes at least."""

    states: int
    rules: Rules


CONFIGURATIONS = {
    "workers and enders die": Configuration(60_000, Rules(faults(kill=2, stall=1, cancel=1, ender_death=1))),
    "messages come twice, the subscriber moves": Configuration(
        100_000, Rules(faults(kill=1, stall=1, duplicate=1, cancel=1, api_death=1))
    ),
    "a worker is stopped, the turn is too old": Configuration(
        45_000, Rules(faults(kill=1, drain=1, cancel=1, age=1, ender_death=1))
    ),
    "Redis is flushed": Configuration(140_000, Rules(faults(kill=1, stall=1, flush=1, cancel=1))),
    "Redis is flushed twice": Configuration(140_000, Rules(faults(stall=1, flush=2, cancel=1))),
    "Redis is away": Configuration(120_000, Rules(faults(stall=1, outage=1, cancel=1, ender_death=1))),
    "Redis is away, long answers": Configuration(
        37_000, Rules(faults(kill=1, outage=1, cancel=1, api_death=1), pieces=True)
    ),
    "the database does not answer": Configuration(19_000, Rules(faults(kill=1, stall=1, cancel=1, unheard=1))),
    "the caller's API process dies": Configuration(
        74_000, Rules(faults(kill=1, stall=1, api_death=1, api_stall=1, ender_death=1), foreground=True)
    ),
    "the caller's API process dies, Redis is lost": Configuration(
        29_000, Rules(faults(flush=1, outage=1, api_death=1, api_stall=1), foreground=True)
    ),
    "the upstream never ends": Configuration(
        220_000,
        Rules(faults(kill=1, stall=1, outage=1, api_death=1, api_stall=1), foreground=True, endless=True),
    ),
    "no stream": Configuration(110_000, Rules(faults(kill=1, flush=1, outage=1, cancel=1, drain=1), outputs=0)),
    "three attempts": Configuration(
        86_000, Rules(faults(kill=2, stall=1, cancel=1, api_death=1), outputs=1, attempts=3)
    ),
}
LARGE = {
    "deaths, stalls, flush and outage at once": Configuration(
        1_360_000, Rules(faults(kill=1, stall=1, flush=1, outage=1, cancel=1, api_death=1), outputs=1)
    ),
}


def test_a_million_states_are_visited() -> None:
    assert sum(configuration.states for configuration in CONFIGURATIONS.values()) >= 1_000_000


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_protocol_holds(name: str) -> None:
    """G1, G5, G20: whatever happens, in whatever order."""
    _holds(CONFIGURATIONS[name])


@pytest.mark.release
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", LARGE)
def test_the_protocol_holds_under_many_faults(name: str) -> None:
    """G1, G5, G20: the same, with more than a million states each."""
    _holds(LARGE[name])


def _holds(configuration: Configuration) -> None:
    verdict = check(configuration.rules)

    assert not verdict.violation, verdict
    assert verdict.states >= configuration.states
