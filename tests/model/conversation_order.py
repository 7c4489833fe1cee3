"""Three turns of one conversation: each waits for the one before it to end, however it ends.

A conversation is made of rows alone: a turn knows for whom it waits, and whoever ends a turn lets go, in the same
transaction, those that waited for it. Leases, attempts and Redis are the other model's matter; here a worker that dies
leaves its turn running until another one claims it anew, or the turn is failed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Step, Verdict, explore

TURNS = 3
_ACTIVE = ("queued", "running", "lost")
_REMEMBERED = "completed"


class Turn(NamedTuple):
    """A row, and what its worker knows."""

    # Not yet made · making (mutants only) · queued · running · lost (its worker died) · completed · failed · cancelled
    status: str = ""
    place: int = -1  # in the order of making
    waits_for: int | None = None  # the number of the turn before it, while that is active
    read: tuple[int, ...] | None = None  # the conversation as it was when the running attempt was claimed
    owes: bool = False  # it has ended, and its items are not in the conversation yet; in mutants only


class State(NamedTuple):
    """`items` holds the numbers of the turns whose items were appended, in order; None once it was deleted."""

    turns: tuple[Turn, ...] = (Turn(),) * TURNS
    items: tuple[int, ...] | None = ()
    kills: int = 1
    cancels: int = 1
    failures: int = 1
    deletions: int = 1  # of the conversation


@dataclass(frozen=True)
class Order:
    """The rules, without the `removed` ones."""

    removed: frozenset[str] = frozenset()

    def keeps(self, safeguard: str) -> bool:
        """Whether a safeguard is in place."""
        return safeguard not in self.removed


def check(order: Order) -> Verdict:
    """Visit everything that may happen under these rules."""
    return explore(State(), lambda state: _steps(state, order), _wrong, _is_goal)


def _steps(state: State, order: Order) -> Iterator[Step[State]]:
    for at, turn in enumerate(state.turns):
        if turn.status in ("", "making"):
            if state.items is not None:
                yield f"turn {at} is made", True, _made(state, order, at)
        elif turn.status in _ACTIVE:
            yield from _run(state, order, at)
            yield from _end_from_outside(state, order, at)
        elif turn.owes:
            appended = _with(state, at, turn._replace(owes=False))
            yield f"turn {at} is appended", True, appended._replace(items=_appended(state, at))
    if state.items is not None and state.deletions:
        yield "the conversation is deleted", False, state._replace(items=None, deletions=0)
    if order.keeps("sweep: release orphans"):
        yield from _sweep(state)


def _run(state: State, order: Order, at: int) -> Iterator[Step[State]]:
    turn = state.turns[at]
    if turn.status != "running":
        if turn.waits_for is None or not order.keeps("claim: waits for nobody"):
            claimed = turn._replace(status="running", read=state.items)
            yield f"turn {at} is claimed", True, _with(state, at, claimed)
        return
    if state.kills:
        yield f"turn {at}'s worker dies", False, _with(state, at, turn._replace(status="lost"))._replace(kills=0)
    if turn.read is None:  # the conversation was gone at the claim
        yield f"turn {at} fails for want of its conversation", True, _ended(state, order, at, "failed")
        return
    yield f"turn {at} completes", True, _ended(state, order, at, _REMEMBERED)
    if state.failures:
        yield f"turn {at} fails", False, _ended(state, order, at, "failed")._replace(failures=0)


def _end_from_outside(state: State, order: Order, at: int) -> Iterator[Step[State]]:
    if state.cancels:
        yield f"turn {at} is cancelled", False, _ended(state, order, at, "cancelled")._replace(cancels=0)
    if state.turns[at].status == "lost":
        yield f"turn {at} is failed by the sweeper", True, _ended(state, order, at, "failed")


def _sweep(state: State) -> Iterator[Step[State]]:
    for at, turn in enumerate(state.turns):
        if turn.waits_for is not None and state.turns[turn.waits_for].status not in _ACTIVE:
            yield f"turn {at} is released by the sweeper", True, _with(state, at, turn._replace(waits_for=None))


def _made(state: State, order: Order, at: int) -> State:
    turn = state.turns[at]
    if turn.status == "making":
        return _with(state, at, turn._replace(status="queued", place=_next_place(state)))
    active = [number for number, other in enumerate(state.turns) if other.status in _ACTIVE]
    active.sort(key=lambda number: state.turns[number].place, reverse=not order.keeps("make: wait for the last"))
    made = Turn("queued", _next_place(state), active[-1] if active else None)
    if not order.keeps("make: hold the conversation"):
        made = made._replace(status="making", place=-1)
    return _with(state, at, made)


def _next_place(state: State) -> int:
    return sum(turn.status not in ("", "making") for turn in state.turns)


def _ended(state: State, order: Order, at: int, status: str) -> State:
    turn = state.turns[at]
    remembered = status == _REMEMBERED
    at_once = order.keeps("end: append in its transaction")
    ended = _with(state, at, turn._replace(status=status, waits_for=None, owes=remembered and not at_once))
    if remembered and at_once:
        ended = ended._replace(items=_appended(state, at))
    if not order.keeps("end: release in its transaction") or not (remembered or order.keeps("end: any end releases")):
        return ended
    heir = turn.waits_for if order.keeps("end: heirs wait for whom it waited for") else None
    waiting = [other._replace(waits_for=heir) if other.waits_for == at else other for other in ended.turns]
    return ended._replace(turns=tuple(waiting))


def _appended(state: State, at: int) -> tuple[int, ...] | None:
    return None if state.items is None else (*state.items, at)


def _with(state: State, at: int, turn: Turn) -> State:
    return state._replace(turns=(*state.turns[:at], turn, *state.turns[at + 1 :]))


def _wrong(state: State) -> str:
    """The first promise this state breaks."""
    running = [turn for turn in state.turns if turn.status in ("running", "lost")]
    if len(running) > 1:
        return "two turns of one conversation run at once"
    before = [turn for turn in state.turns for one in running if turn.place < one.place and turn.status in _ACTIVE]
    if before and any(turn.status == "queued" for turn in before):
        return "a turn runs before one that was made earlier"
    if state.items is not None:
        places = [state.turns[number].place for number in state.items]
        if places != sorted(set(places)):
            return "the conversation is out of order"
        if any(turn.status == "running" and turn.read != state.items for turn in state.turns):
            return "a turn runs without having seen those before it"
    return ""


def _is_goal(state: State) -> bool:
    return all(turn.status not in _ACTIVE for turn in state.turns) and (
        state.items is None or all(turn.status for turn in state.turns)
    )
