"""Turns of one owner, of which only so many may be in the broker or running; the others are held back in SQL.

Each transaction that makes or ends a turn counts, and then commits. On SQLite nothing happens between the two
(`one_writer`); on Postgres anything may, and the count is of what was committed before. Messages are lost, turns are
cancelled, and some wait for the one before them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Step, Verdict, explore

TURNS = 4
_ACTIVE = ("queued", "running")


class Turn(NamedTuple):
    """A row, its message, and the transaction that is about to change it."""

    status: str = ""  # not yet made · queued · running · ended
    waits_for: int | None = None
    sent: bool = False  # dispatched_at is set: it counts
    message: bool = False  # in the broker
    making: bool | None = None  # counted, not committed: whether there was room
    sending: tuple[int, ...] | None = None  # it is ending, not committed: those who take its room

    @property
    def held_back(self) -> bool:
        """Whether it waits for room alone."""
        return self.status == "queued" and not self.sent and self.waits_for is None


class State(NamedTuple):
    """All turns, in the order of their making."""

    turns: tuple[Turn, ...] = (Turn(),) * TURNS
    losses: int = 1  # of messages
    cancels: int = 1


@dataclass(frozen=True)
class Share:
    """The rules, without the `removed` ones."""

    most: int
    one_writer: bool
    removed: frozenset[str] = frozenset()

    def keeps(self, rule: str) -> bool:
        """Whether a rule is in place."""
        return rule not in self.removed


def check(share: Share) -> Verdict:
    """Visit everything that may happen under these rules."""
    return explore(State(), lambda state: _steps(state, share), lambda state: _wrong(state, share), _is_goal)


def _steps(state: State, share: Share) -> Iterator[Step[State]]:
    pending = [at for at, turn in enumerate(state.turns) if turn.making is not None or turn.sending is not None]
    for at in pending:
        yield f"turn {at} is committed", True, _committed(state, share, at)
    if pending and share.one_writer:
        return
    yield from _make(state, share)
    for at, turn in enumerate(state.turns):
        if turn.status in _ACTIVE and turn.sending is None:
            yield from _drive(state, share, at)
    yield from _sweep(state, share)


def _make(state: State, share: Share) -> Iterator[Step[State]]:
    at = next((at for at, turn in enumerate(state.turns) if not turn.status and turn.making is None), None)
    if at is None:
        return
    yield f"turn {at} counts", True, _with(state, at, Turn(making=bool(_room(state, share))))
    before = state.turns[at - 1] if at else Turn()
    if before.status in _ACTIVE and before.sending is None:  # its row is locked meanwhile
        yield f"turn {at} is made to follow", True, _with(state, at, Turn("queued", waits_for=at - 1))


def _drive(state: State, share: Share, at: int) -> Iterator[Step[State]]:
    turn = state.turns[at]
    if turn.message and state.losses:
        yield f"turn {at}'s message is lost", False, _with(state, at, turn._replace(message=False))._replace(losses=0)
    if turn.status == "running":
        yield f"turn {at} ends", True, _ending(state, share, at, room=share.keeps("end: gives its room away"))
    elif turn.message and turn.waits_for is None:
        yield f"turn {at} is claimed", True, _with(state, at, turn._replace(status="running", message=False))
    if state.cancels:
        room = share.keeps("end: gives its room away") and share.keeps("end: any end does")
        yield f"turn {at} is cancelled", False, _ending(state, share, at, room=room)._replace(cancels=0)


def _ending(state: State, share: Share, at: int, *, room: bool) -> State:
    """Its followers are let go, and the oldest who are held back take the room; all to be committed together."""
    after = _released(state, share, at)
    return _with(state, at, state.turns[at]._replace(sending=_oldest(after, share) if room else ()))


def _released(state: State, share: Share, at: int) -> State:
    """As it will be without this turn."""
    heir = state.turns[at].waits_for
    at_once = heir is None and not share.keeps("release: leaves the sending to the share")
    let_go = [
        one._replace(waits_for=heir, sent=at_once, message=at_once) if one.waits_for == at else one
        for one in state.turns
    ]
    return _with(state._replace(turns=tuple(let_go)), at, Turn("ended"))


def _committed(state: State, share: Share, at: int) -> State:
    turn = state.turns[at]
    if turn.making is not None:
        return _with(state, at, Turn("queued", sent=turn.making, message=turn.making))
    return _sent(_released(state, share, at), turn.sending or ())


def _sweep(state: State, share: Share) -> Iterator[Step[State]]:
    missing = share.keeps("sweep: sends again what was sent")
    for at, turn in enumerate(state.turns):
        lost = turn.status == "queued" and turn.waits_for is None and not turn.message and turn.sending is None
        if lost and (turn.sent or not missing):
            yield f"turn {at} is sent again", True, _with(state, at, turn._replace(message=True))
    if share.keeps("sweep: fills the share") and (oldest := _oldest(state, share)):
        yield "the sweeper fills the share", True, _sent(state, oldest)


def _oldest(state: State, share: Share) -> tuple[int, ...]:
    """Whom there is room for, but for those that another transaction holds."""
    taken = {one for turn in state.turns for one in turn.sending or ()}
    free = [at for at, turn in enumerate(state.turns) if turn.held_back and turn.sending is None and at not in taken]
    return tuple(free[: _room(state, share)])


def _room(state: State, share: Share) -> int:
    counted = [turn for turn in state.turns if turn.status in _ACTIVE]
    if share.keeps("count: of those that were sent"):
        counted = [turn for turn in counted if turn.sent]
    return max(0, share.most - len(counted))


def _sent(state: State, chosen: tuple[int, ...]) -> State:
    for at in chosen:
        state = _with(state, at, state.turns[at]._replace(sent=True, message=True))
    return state


def _with(state: State, at: int, turn: Turn) -> State:
    return state._replace(turns=(*state.turns[:at], turn, *state.turns[at + 1 :]))


def _wrong(state: State, share: Share) -> str:
    """The promise this state breaks."""
    at_work = sum(turn.message or turn.status == "running" for turn in state.turns)
    return "more than the share is at work" if share.one_writer and at_work > share.most else ""


def _is_goal(state: State) -> bool:
    return all(turn.status == "ended" for turn in state.turns)
