"""All schedules of the steps around one turn: by workers, enders, a client, a sweeper, and time.

Every schedule is explored, whatever its length, without running each from its start. By induction over its steps: the
situation it is in after n steps has been reached here, so every step that can follow was taken from it, by the real
store, and the situation it then is in has been reached as well. That needs two things to be true. A situation must hold
all that the next steps depend on; the walks in the tests compare what was put with what was really reached. And a step
must be indivisible; each is one transaction, whose first write takes the row's lock.

A schedule of two workers is one of these with the names left out: the store writes the name of a worker and never reads
it. Nobody forgets a number it was given, nor believes that it was lost, so its steps may come at any later time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.core.turn import Ending
from shared.store.engine import Database
from tests.integration.store.stepped_rows import Stored
from tests.integration.store.stepped_turns import Held, Step, Taken, take

BY_WORKERS = ("start output", "renew", "give back", "finish", "finish as failed")
TAKING = ("claim", "cancel", "fail", "fail lost")
BY_ANYBODY = (*TAKING, "cancel queued", "adopt", "send again", "purge", "delete", "observe")

# One turn is at rest after fewer steps; a broken store may never be.
_LONGEST = 20


class Situation(NamedTuple):
    """All that the rest of a schedule can depend on, and what the rules remember of its past.

    held          the numbers that workers and enders were told
    acknowledged  a cancel was answered with yes
    started       the attempts that may have put out output
    seen          those of which a reader may have seen output
    """

    stored: Stored | None = Stored()
    held: frozenset[Held] = frozenset()
    acknowledged: bool = False
    started: frozenset[int] = frozenset()
    seen: frozenset[int] = frozenset()


def steps(situation: Situation) -> Iterator[Step]:
    """Every step that somebody could try next, allowed or not."""
    yield from (Step(name) for name in BY_ANYBODY)
    stored = situation.stored
    for held in situation.held | _mistaken(stored):
        names = ("finish ending",) if held.ending else BY_WORKERS
        yield from (Step(name, held) for name in names)
    if stored is not None and stored.lease == "holds":
        yield Step("let lease end")
    if stored is not None and stored.status == "in_progress" and not stored.side_effects:
        yield Step("act")


def _mistaken(stored: Stored | None) -> frozenset[Held]:
    """The ender's number in the hands of a worker, or of one who would write another end: no schedule leads there."""
    if stored is None or not stored.ending or stored.ended:
        return frozenset()
    other: Ending = "failed" if stored.ending == "cancelled" else "cancelled"
    return frozenset({Held(stored.attempt), Held(stored.attempt, other)})


def after(situation: Situation, taken: Taken) -> Situation:
    """The situation that this step leads to."""
    held, acknowledged, started = situation.held, situation.acknowledged, situation.started
    if taken.told is not None:
        name = taken.step.name
        held |= {taken.told} if name in (*TAKING, "adopt") else set()
        acknowledged |= name in ("cancel queued", "cancel")
        started |= {taken.told.attempt} if name == "start output" else set()
    stored = taken.after
    shown = {stored.work} & started if stored is not None and stored.observed else set()
    return Situation(stored, held, acknowledged, started, situation.seen | shown)


@dataclass
class Explored:
    """What can be stored × the steps that can be tried, each taken once; and the situations, by a shortest schedule."""

    taken: dict[tuple[Stored | None, Step], Taken] = field(default_factory=dict)
    schedules: dict[Situation, tuple[Step, ...]] = field(default_factory=dict)
    finished: bool = False

    def schedule_of(self, taken: Taken) -> list[str]:
        """How it came to this step."""
        for situation, schedule in self.schedules.items():
            if situation.stored == taken.before and taken.step in steps(situation):
                return [str(step) for step in (*schedule, taken.step)]
        raise LookupError(taken)


def explore(database: Database) -> Explored:
    """Take every step from every situation that schedules lead to, the shortest schedules first."""
    explored = Explored(schedules={Situation(): ()})
    frontier = [Situation()]
    for _ in range(_LONGEST):
        untried = {(one.stored, step) for one in frontier for step in steps(one)} - explored.taken.keys()
        explored.taken |= {(taken.before, taken.step): taken for taken in take(database, untried)}
        frontier = [new for one in frontier for new in _reach(explored, one)]
    explored.finished = not frontier
    return explored


def _reach(explored: Explored, situation: Situation) -> Iterator[Situation]:
    for step in steps(situation):
        reached = after(situation, explored.taken[situation.stored, step])
        if reached not in explored.schedules:
            explored.schedules[reached] = (*explored.schedules[situation], step)
            yield reached
