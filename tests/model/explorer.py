"""Visits every state that a set of steps can reach, and tells the first way in which one is wrong."""

import gc
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=Hashable)
Step = tuple[str, bool, S]
"""(name, whether it is bound to happen some time if it stays possible, the state after it). Faults never are."""


@dataclass(frozen=True)
class Verdict:
    """How many states were visited; what was wrong, and the shortest way there."""

    states: int
    violation: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.violation or 'holds'}, {self.states} states: {' > '.join(self.trace)}"


def explore(
    first: S, steps: Callable[[S], Iterable[Step[S]]], wrong: Callable[[S], str], is_goal: Callable[[S], bool]
) -> Verdict:
    """Breadth first, so that the first violation has the shortest trace.

    Beyond `wrong`, every schedule must end: where nothing is bound to happen the state is a goal, and what is bound
    to happen never goes in a circle.
    """
    with _without_collector():
        return _explore(first, steps, wrong, is_goal)


def _explore(
    first: S, steps: Callable[[S], Iterable[Step[S]]], wrong: Callable[[S], str], is_goal: Callable[[S], bool]
) -> Verdict:
    states, numbers, reached = [first], {first: 0}, [(-1, "")]
    bound: list[tuple[int, ...]] = []
    for number, state in enumerate(states):  # it grows while we go
        if violation := wrong(state):
            return Verdict(len(states), violation, _trace(reached, number))
        following = []
        for name, fair, after in steps(state):
            found = numbers.get(after)
            if found is None:
                found = numbers[after] = len(states)
                states.append(after)
                reached.append((number, name))
            if fair and found != number:
                following.append(found)
        if not following and not is_goal(state):
            return Verdict(len(states), "stuck", _trace(reached, number))
        bound.append(tuple(following))
    in_circle = _in_circle(bound)
    if in_circle is not None:
        return Verdict(len(states), "goes in a circle", _trace(reached, in_circle))
    return Verdict(len(states))


def _trace(reached: list[tuple[int, str]], at: int) -> tuple[str, ...]:
    trace = []
    while at > 0:
        at, name = reached[at]
        trace.append(name)
    return tuple(reversed(trace))


@contextmanager
def _without_collector() -> Iterator[None]:
    """No state refers back to another: looking through millions of them for circles is all waste."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _in_circle(bound: list[tuple[int, ...]]) -> int | None:
    """A state from which one need not ever get away, found by taking away those that nothing leads to."""
    leading = [0] * len(bound)
    for following in bound:
        for one in following:
            leading[one] += 1
    free = [number for number, count in enumerate(leading) if not count]
    for number in free:  # it grows while we go
        for one in bound[number]:
            leading[one] -= 1
            if not leading[one]:
                free.append(one)
    return next((number for number, count in enumerate(leading) if count), None)
