"""A worker that is told to stop: its turns run on for a while, then others take them, or they end."""

import threading

import structlog

from shared import clock
from shared.core.turn import Turn
from shared.store import attempts
from shared.turns.ending import Rest
from shared.turns.recovery import Recovery, tell
from workers.attempt import Attempt
from workers.runtime import WorkerRuntime

_STOPPED = {"code": "server_error", "message": "The worker running this turn was stopped."}
_LOOK_SECONDS = 0.05

log = structlog.get_logger()


def start(runtime: WorkerRuntime) -> None:
    """Give the running turns `drain_seconds`, then part from each; Celery itself waits for them without end."""
    threading.Thread(target=_drain, args=(runtime,), name="drain", daemon=True).start()


def _drain(runtime: WorkerRuntime) -> None:
    deadline = clock.monotonic() + runtime.settings.drain_seconds
    while runtime.running() and clock.monotonic() < deadline:
        clock.pause(_LOOK_SECONDS)
    # A message taken just before the stop may still become a turn: parting goes on until the process is gone.
    while True:
        for attempt in runtime.running():
            _part(runtime, attempt)
        clock.pause(_LOOK_SECONDS)


def _part(runtime: WorkerRuntime, attempt: Attempt) -> None:
    """Decide in SQL what becomes of the turn, and stop. What is left of an end may wait for Redis: that is not here."""
    turn = attempt.turn
    try:
        with runtime.database.write() as connection:
            given_back = attempts.give_back(connection, (turn.id, turn.attempt))
        if given_back:
            runtime.dispatcher.dispatch(turn)
            tell(Recovery.GIVEN_BACK, turn.id, turn.attempt)
        elif rest := runtime.ender.begin(turn, "failed", _STOPPED):
            runtime.enders.submit(_end, turn, rest)
    except Exception as error:  # noqa: BLE001 - the database is away: the lease runs out by itself
        log.warning("drain_failed", response_id=turn.id, error=type(error).__name__)
    runtime.give_up(attempt)


def _end(turn: Turn, rest: Rest) -> None:
    try:
        if rest():
            tell(Recovery.DRAINED_FAILED, turn.id, turn.attempt)
    except Exception as error:  # noqa: BLE001 - the database is away: whoever sweeps ends it
        log.warning("drain_failed", response_id=turn.id, error=type(error).__name__)
