"""The steps of a turn on the real store: each is one transaction; many turns take theirs side by side.

The store's functions know the database, its clock and their arguments, nothing else. So what a step does is decided by
what is stored of the turn and by the step itself.
"""

from collections.abc import Callable, Collection, Mapping
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import update

from shared import ids
from shared.core.turn import Ending, Outcome, Turn
from shared.core.turn_status import Status
from shared.store import abandoned, attempts, journals, responses, sweeping
from shared.store.attempts import Journal
from shared.store.database_clock import database_now
from shared.store.engine import Connection, Database
from shared.store.tables import RESPONSE
from tests.integration.store.stepped_rows import LEASE, Stored, contents, put, read
from tests.stored_turns import NOW, OWNER, body_of, new_turn, purge_once, said


class Held(NamedTuple):
    """What somebody was told to have: the number to write under and, for an ender, the end to write."""

    attempt: int = 0
    ending: Ending | None = None


class Step(NamedTuple):
    """One of `STEPS`, by somebody who holds this, or held it once."""

    name: str
    held: Held = Held()


class Taken(NamedTuple):
    """A step as the real store took it. None: deleted, before or after; `told` None: refused.

    `touched`: whether anything at all that is stored of the turn is another.
    """

    step: Step
    before: Stored | None
    told: Held | None
    after: Stored | None
    touched: bool


Turns = Mapping[str, Held]
Take = Callable[[Connection, Turns], dict[str, Held]]
"""Takes a step for each of these turns; what those who did not refuse it now hold."""

_FOR_EVER = 10.0**10
_MANY = 1_000_000


def take(database: Database, steps: Collection[tuple[Stored | None, Step]]) -> list[Taken]:
    """Put each turn into a row of its own and take its step from there."""
    grouped = groupby(sorted(steps, key=lambda pair: pair[1].name), key=lambda pair: pair[1].name)
    return [taken for name, pairs in grouped for taken in _take_all(database, name, list(pairs))]


def _take_all(database: Database, name: str, pairs: list[tuple[Stored | None, Step]]) -> list[Taken]:
    turns = {ids.new_response_id(): pair for pair in pairs}
    put(database, {one: stored for one, (stored, _) in turns.items()})
    before = contents(database)
    assert read(database, before) == {one: stored for one, (stored, _) in turns.items() if stored is not None}
    told = take_here(database, name, {one: step.held for one, (_, step) in turns.items()})
    after = contents(database)
    seen = read(database, after)
    return [
        Taken(step, stored, told.get(one), seen.get(one), before.get(one) != after.get(one))
        for one, (stored, step) in turns.items()
    ]


def take_here(database: Database, name: str, turns: Turns) -> dict[str, Held]:
    """Take this step of turns that are in the database; they must be all there are."""
    with database.write() as connection:
        return STEPS[name](connection, turns)


def output_of(held: Held) -> str:
    """What this holder writes: the worker's own output, or as much of it as the ender has found."""
    return f"attempt {held.attempt - 1}, {held.ending}" if held.ending else f"attempt {held.attempt}"


def _each(change: Callable[[Connection, str, Held], Held | None]) -> Take:
    def take_each(connection: Connection, turns: Turns) -> dict[str, Held]:
        told = {one: change(connection, one, held) for one, held in turns.items()}
        return {one: held for one, held in told.items() if held is not None}

    return take_each


def _if(changed: bool, held: Held) -> Held | None:
    return held if changed else None


def _claim(connection: Connection, one: str, _held: Held) -> Held | None:
    turn = attempts.claim(connection, one, worker="w", lease_seconds=LEASE)
    return Held(turn.attempt, turn.ending) if turn else None


def _renew(connection: Connection, turns: Turns) -> dict[str, Held]:
    fences = [(one, held.attempt) for one, held in turns.items()]
    return {one: Held(attempt) for one, attempt in attempts.renew(connection, fences, lease_seconds=LEASE)}


def _give_back(connection: Connection, one: str, held: Held) -> Held | None:
    return _if(attempts.give_back(connection, (one, held.attempt)), held)


def _start_output(connection: Connection, one: str, held: Held) -> Held | None:
    return _if(attempts.start_output(connection, (one, held.attempt)), held)


def _finish(connection: Connection, one: str, held: Held) -> Held | None:
    return _end(attempts.finish, connection, one, held, Status.COMPLETED)


def _finish_as_failed(connection: Connection, one: str, held: Held) -> Held | None:
    return _end(attempts.finish, connection, one, held, Status.FAILED)


def _finish_ending(connection: Connection, one: str, held: Held) -> Held | None:
    assert held.ending is not None
    return _end(attempts.finish_ending, connection, one, held, Status(held.ending))


def _end(end: Callable[..., bool], connection: Connection, one: str, held: Held, status: Status) -> Held | None:
    turn = new_turn(id=one, status=Status.IN_PROGRESS, attempt=held.attempt, ending=held.ending)
    outcome = Outcome(status, NOW)
    text = output_of(held)
    body = body_of(turn, [said(text, "assistant")], outcome)
    journal = Journal(turn.work, journals.compress([text.encode()]))
    return _if(end(connection, (one, held.attempt), turn, body, outcome, journal), held)


def _cancel_queued(connection: Connection, turns: Turns) -> dict[str, Held]:
    listed = [turn for turn in _abandoned(connection) if turn.status is Status.QUEUED]
    return _as_listed(listed, _each(_end_queued)(connection, turns))


def _end_queued(connection: Connection, one: str, held: Held) -> Held | None:
    outcome = Outcome(Status.CANCELLED, NOW)
    turn = new_turn(id=one)
    return _if(attempts.end_queued(connection, turn, body_of(turn, (), outcome), outcome, Journal(1, _nothing)), held)


def _cancel(connection: Connection, turns: Turns) -> dict[str, Held]:
    listed = [turn for turn in _abandoned(connection) if turn.status is Status.IN_PROGRESS]
    return _as_listed(listed, _take_over(connection, turns, "cancelled"))


def _fail(connection: Connection, turns: Turns) -> dict[str, Held]:
    listed = sweeping.over_age(connection, queued_seconds=_FOR_EVER, running_seconds=-1, limit=_MANY)
    return _as_listed(listed, _take_over(connection, turns, "failed"))


def _fail_lost(connection: Connection, turns: Turns) -> dict[str, Held]:
    listed = sweeping.lost(connection, limit=_MANY)
    return _as_listed(listed, _take_over(connection, turns, "failed", only_lost=True))


def _take_over(connection: Connection, turns: Turns, ending: Ending, only_lost: bool = False) -> dict[str, Held]:
    lease = {"lease_seconds": LEASE}
    taken = [attempts.take_over(connection, one, ending, only_lost=only_lost, **lease) for one in turns]
    return _holders([turn for turn in taken if turn is not None])


def _adopt(connection: Connection, _turns: Turns) -> dict[str, Held]:
    return _holders(sweeping.adopt_dead_enders(connection, lease_seconds=LEASE, limit=100))


def _send_again(connection: Connection, _turns: Turns) -> dict[str, Held]:
    silent = sweeping.silent(connection, older_than_seconds=-1, limit=_MANY)
    return _holders(silent + sweeping.restartable(connection, older_than_seconds=-1, limit=_MANY))


def _purge(connection: Connection, turns: Turns) -> dict[str, Held]:
    before = responses.look(connection, list(turns))
    erased = purge_once(connection, older_than_seconds=0, limit=_MANY)
    gone = before.keys() - responses.look(connection, list(turns)).keys()
    assert len(gone) == erased
    return {one: Held() for one in gone}


def _delete(connection: Connection, one: str, held: Held) -> Held | None:
    return _if(responses.remove(connection, OWNER, one), held)


def _observe(connection: Connection, one: str, held: Held) -> Held:
    responses.observe(connection, OWNER, one)
    return held


def _let_lease_end(connection: Connection, turns: Turns) -> dict[str, Held]:
    over = update(RESPONSE).where(RESPONSE.c.lease_until.is_not(None)).values(lease_until=database_now() - 1)
    connection.execute(over)
    return dict(turns)


def _act(connection: Connection, turns: Turns) -> dict[str, Held]:
    connection.execute(update(RESPONSE).values(side_effects=True))
    return dict(turns)


STEPS: dict[str, Take] = {
    "claim": _each(_claim),
    "renew": _renew,
    "start output": _each(_start_output),
    "give back": _each(_give_back),
    "finish": _each(_finish),
    "finish as failed": _each(_finish_as_failed),
    "cancel queued": _cancel_queued,
    "cancel": _cancel,
    "fail": _fail,
    "fail lost": _fail_lost,
    "adopt": _adopt,
    "finish ending": _each(_finish_ending),
    "send again": _send_again,
    "purge": _purge,
    "delete": _each(_delete),
    "observe": _each(_observe),
    "let lease end": _let_lease_end,
    "act": _act,
}

_nothing = journals.compress([b""])


def _as_listed(listed: Collection[Turn], told: dict[str, Held]) -> dict[str, Held]:
    assert {turn.id for turn in listed} == told.keys(), "the sweeper's list is not what can be taken"
    return told


def _abandoned(connection: Connection) -> list[Turn]:
    return abandoned.find(connection, unseen_seconds=0, limit=_MANY)


def _holders(turns: list[Turn]) -> dict[str, Held]:
    return {turn.id: Held(turn.attempt, turn.ending) for turn in turns}
