"""The one routine that ends a turn: for the worker that finishes it, for a cancel and for the sweeper."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import structlog

from shared import clock, tracing
from shared.core import sse_frame
from shared.core.emission import Emission
from shared.core.response_fold import ResponseFold
from shared.core.response_render import lifecycle_events
from shared.core.turn import Ending, Outcome, Turn
from shared.core.turn_status import Status
from shared.queue import Dispatcher
from shared.settings import Settings
from shared.store import attempts, journals, shares
from shared.store.attempts import Journal
from shared.store.engine import Connection, Database
from shared.stream.freeze import LogFreezer
from shared.turns import turn_figures
from shared.turns.outage import outlast
from shared.wire.response import LOST_NUMBER, Event, ResponseBody

Rest = Callable[[], bool]
"""What is left of an end once SQL has decided it; it may wait for Redis. Whether this ender wrote the end."""

log = structlog.get_logger()


class TurnEnder:
    """Writes ends: one transaction each, then the hints. Safe to call from any thread, but not from an event loop."""

    def __init__(self, database: Database, freezer: LogFreezer, dispatcher: Dispatcher, settings: Settings) -> None:
        self._database = database
        self._freezer = freezer
        self._dispatcher = dispatcher
        self._lease_seconds = settings.lease_seconds
        self._owner_share = settings.owner_share

    def finish(self, turn: Turn, body: ResponseBody, outcome: Outcome, frames: list[bytes]) -> bool:
        """FINISH, by the worker that holds the turn; False when it was lost meanwhile and nothing was written."""
        journal = _journal(turn, frames)
        fence = (turn.id, turn.attempt)
        return self._write(turn, outcome, lambda c: attempts.finish(c, fence, turn, body, outcome, journal))

    def publish_end(self, turn: Turn, number: int, frame: bytes) -> None:
        """Tell subscribers of a turn whose events are not logged that it has ended."""
        self._freezer.publish_end(turn, number, frame)

    def end(self, turn: Turn, ending: Ending, error: dict[str, str] | None = None) -> bool:
        """END FROM OUTSIDE; False when somebody else was faster, whose end then stands."""
        rest = self.begin(turn, ending, error)
        return rest is not None and rest()

    def begin(self, turn: Turn, ending: Ending, error: dict[str, str] | None = None) -> Rest | None:
        """What decides, in SQL alone: from here on the end stands, even if this process dies before the rest.

        None when somebody else was faster. Raises as the database does, at once.
        """
        if turn.status is Status.QUEUED and (rest := self.begin_queued(turn, ending, error)):
            return rest
        with self._database.write() as connection:
            taken = attempts.take_over(connection, turn.id, ending, lease_seconds=self._lease_seconds)
        return partial(self.resume, taken, error) if taken else None

    def begin_lost(self, turn: Turn, error: dict[str, str]) -> Rest | None:
        """The same as a failure, for a turn whose worker was lost; None too when it lives after all."""
        with self._database.write() as connection:
            taken = attempts.take_over(connection, turn.id, "failed", lease_seconds=self._lease_seconds, only_lost=True)
        return partial(self.resume, taken, error) if taken else None

    def begin_queued(self, turn: Turn, ending: Ending, error: dict[str, str] | None = None) -> Rest | None:
        """The same for a turn that no worker ever had, whose whole end is written; None too when one has it now."""
        outcome = _outcome(turn, ending, error)
        opening = lifecycle_events(turn)[: 2 if turn.background else 1]
        events = opening + _close(opening, outcome)
        frames = [sse_frame.encode(event) for event in events]
        journal = _journal(turn, frames)
        body = events[-1]["response"]
        with _traced(turn, outcome):
            done = self._write_once(turn, outcome, lambda c: attempts.end_queued(c, turn, body, outcome, journal))
        return partial(self._tell_end, turn, events[-1]["sequence_number"], frames[-1]) if done else None

    def resume(self, turn: Turn, error: dict[str, str] | None = None) -> bool:
        """The rest of END FROM OUTSIDE, for a turn that was taken over: freeze, fold, close, write, publish."""
        assert turn.ending, "the takeover has set it"
        self._freezer.announce(turn.id)
        frames = self._freezer.freeze(turn.id, turn.attempt, turn.work)
        lost = frames is None or (turn.output_started and not frames)
        events = [] if lost else [sse_frame.decode(frame) for frame in frames or ()]
        outcome = _outcome(turn, turn.ending, error)
        closing = _close(events or lifecycle_events(turn), outcome, LOST_NUMBER if lost else None)
        kept = frames if frames and not lost else [sse_frame.encode(event) for event in lifecycle_events(turn)]
        fence = (turn.id, turn.attempt)
        written = [sse_frame.encode(event) for event in closing]
        journal = _journal(turn, kept + written, lost)
        body = closing[-1]["response"]
        with _traced(turn, outcome):
            done = self._write(turn, outcome, lambda c: attempts.finish_ending(c, fence, turn, body, outcome, journal))
            return done and self._tell_end(turn, closing[-1]["sequence_number"], written[-1])

    def _tell_end(self, turn: Turn, number: int, frame: bytes) -> bool:
        self._freezer.publish_end(turn, number, frame)
        return True

    def _write(self, turn: Turn, outcome: Outcome, end: Callable[[Connection], bool]) -> bool:
        return outlast(lambda: self._write_once(turn, outcome, end), "end_waits_for_database", turn.id)

    def _write_once(self, turn: Turn, outcome: Outcome, end: Callable[[Connection], bool]) -> bool:
        with self._database.write() as connection:
            done = end(connection)
            following = shares.pass_on(connection, turn, self._owner_share) if done else []
        for one in following:
            self._dispatcher.dispatch(one)
        if done:
            _tell(turn, outcome)
            turn_figures.ended(turn, outcome)
        return done


def turn_facts(turn: Turn, at: float) -> dict[str, object]:
    """What the Response tells about its own run, under `turnstone`."""
    return {"attempts": turn.attempts, "started_at": turn.started_at, "ended_at": at}


def _tell(turn: Turn, outcome: Outcome) -> None:
    log.info(
        "turn_ended",
        response_id=turn.id,
        attempt=turn.attempt,
        request_id=turn.request_id,
        status=outcome.status.value,
        code=outcome.error and outcome.error["code"],
        seconds=round(outcome.at - (turn.started_at or turn.created_at), 3),
    )


def _traced(turn: Turn, outcome: Outcome) -> AbstractContextManager[None]:
    """An end from outside is part of the turn's own trace."""
    status = outcome.status.value
    return tracing.span("end from outside", parent=turn.traceparent, response_id=turn.id, status=status)


def _outcome(turn: Turn, ending: Ending, error: dict[str, str] | None) -> Outcome:
    at = clock.now()
    return Outcome(status=Status(ending), at=at, error=error, facts=turn_facts(turn, at))


def _close(events: list[Event], outcome: Outcome, number: int | None = None) -> list[Event]:
    emission = Emission(ResponseFold.of(events))
    emission.end(outcome, number)
    return emission.take()


def _journal(turn: Turn, frames: list[bytes], lost: bool = False) -> Journal | None:
    return Journal(turn.work, journals.compress(frames), lost) if turn.logged else None
