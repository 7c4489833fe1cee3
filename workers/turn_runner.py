"""A turn's way through a worker: claim, load history, stream, finish, publish the end."""

import asyncio
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from shared import clock, tracing
from shared.core import compaction, sse_frame, tool_rules
from shared.core.context import Context
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.errors import InvalidRequest
from shared.metrics import WORKER_TURNS
from shared.store import attempts, context, responses
from shared.store.engine import is_outage
from shared.turns import turn_figures
from shared.turns.ending import turn_facts
from shared.turns.outage import outlast
from workers.attempt import Attempt, TurnLost
from workers.compacting import route_for
from workers.runtime import WorkerRuntime

_INTERNAL_ERROR = {"code": "server_error", "message": "The turn failed because of an error inside the server."}
_CONTEXT_GONE = {
    "code": "invalid_prompt",
    "message": "The conversation, or an earlier response that this turn goes on from, was deleted.",
}
_PUBLISH_SECONDS = 2.0
_CLAIM_TRIES = 20
_CLAIM_PAUSE_SECONDS = 0.25

log = structlog.get_logger()


def run(runtime: WorkerRuntime, response_id: str) -> Outcome | None:
    """Run the turn of one message to its end; None when it was not ours to run, or was lost on the way."""
    begun = clock.now()
    turn = _claim(runtime, response_id)
    if turn is None:
        return None
    turn_figures.claimed(turn)
    # The event loop runs in this context what is given to it from here.
    context_of_turn = bound_contextvars(response_id=turn.id, attempt=turn.attempt, request_id=turn.request_id)
    with context_of_turn, _traced(turn, begun), WORKER_TURNS.track_inprogress():
        with tracing.span("claim", since=begun):
            log.debug("turn_claimed", worker=runtime.name)
        outcome = _run(runtime, turn)
        code = outcome.error["code"] if outcome and outcome.error else None
        tracing.note(status=outcome.status.value if outcome else "lost", error=code)
        return outcome


def _traced(turn: Turn, since: float) -> AbstractContextManager[None]:
    return tracing.span(
        "run turn",
        kind="consumer",
        parent=turn.traceparent,
        since=since,
        response_id=turn.id,
        request_id=turn.request_id,
        attempt=turn.attempt,
        model=turn.request["model"],
    )


def _run(runtime: WorkerRuntime, turn: Turn) -> Outcome | None:
    started = clock.monotonic()
    attempt = Attempt(turn, runtime.publisher, runtime.start_output, runtime.sealed_reasoning.sealer(turn))
    runtime.add(attempt)
    try:
        if turn.logged:
            runtime.loop.call_soon_threadsafe(attempt.open)
        outcome = _stream(runtime, attempt)
        _finish(runtime, attempt, outcome)
        turn_figures.finished(turn, clock.monotonic() - started)
        return outcome
    except (TurnLost, asyncio.CancelledError):
        log.info("turn_lost")
        return None
    finally:
        runtime.remove(attempt)


def status_elsewhere(runtime: WorkerRuntime, response_id: str) -> Status | None:
    """What has become of a turn that this worker did not end."""

    def look() -> Status | None:
        with runtime.database.read() as connection:
            return responses.status(connection, response_id)

    return outlast(look, "status_waits_for_database", response_id)


def _claim(runtime: WorkerRuntime, response_id: str) -> Turn | None:
    for _ in range(_CLAIM_TRIES):
        try:
            with runtime.database.write() as connection:
                return attempts.claim(
                    connection, response_id, worker=runtime.name, lease_seconds=runtime.settings.lease_seconds
                )
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("claim_waits_for_database", response_id=response_id, error=type(error).__name__)
            clock.pause(_CLAIM_PAUSE_SECONDS)
    return None


def _stream(runtime: WorkerRuntime, attempt: Attempt) -> Outcome:
    turn = attempt.turn
    try:
        with tracing.span("load context"):
            told = _context(runtime, turn)
        if told is None:
            return _failed(runtime, turn, _CONTEXT_GONE)
        seal = partial(runtime.summaries.close, turn.owner)
        route = route_for(turn.request, runtime.upstreams.of(turn.request["model"]), seal)
        told = compaction.expand(told, partial(runtime.summaries.open, turn.owner))
        if tool_rules.may_change_things(turn.request.get("tools", ())):
            _begin_for_good(runtime, turn)
        return runtime.call(attempt.run(route, told, runtime.settings.turn_seconds))
    except InvalidRequest as error:
        return _failed(runtime, turn, {"code": "invalid_prompt", "message": error.message})
    except (TurnLost, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the turn must end
        # The type alone: a message could repeat the prompt.
        log.error("turn_crashed", error=type(error).__name__)
        return _failed(runtime, turn, _INTERNAL_ERROR)


def _begin_for_good(runtime: WorkerRuntime, turn: Turn) -> None:
    """From here on the turn cannot be begun anew: nobody could tell what the model's server has done by then."""

    def remember() -> bool:
        with runtime.database.write() as connection:
            return attempts.may_change_things(connection, (turn.id, turn.attempt))

    if not outlast(remember, "side_effects_wait_for_database", turn.id):
        raise TurnLost


def _failed(runtime: WorkerRuntime, turn: Turn, error: dict[str, str]) -> Outcome:
    runtime.call(asyncio.sleep(0))  # what was given to the event loop before is done by then: the log is open
    at = clock.now()
    return Outcome(status=Status.FAILED, at=at, error=error, facts=turn_facts(turn, at))


def _context(runtime: WorkerRuntime, turn: Turn) -> Context | None:
    """What the model is told."""

    def load() -> Context | None:
        with runtime.database.read() as connection:
            return context.load(connection, turn)

    return outlast(load, "context_waits_for_database", turn.id)


def _finish(runtime: WorkerRuntime, attempt: Attempt, outcome: Outcome) -> None:
    closing = attempt.close(outcome)
    body: dict[str, Any] = closing[-1]["response"]
    frames = [sse_frame.encode(event) for event in closing]
    with tracing.span("finish"):
        if not runtime.ender.finish(attempt.turn, body, outcome, attempt.log.frames + frames):
            raise TurnLost
    if attempt.turn.logged:
        runtime.spawn(attempt.publish_closing(frames, _PUBLISH_SECONDS))
    else:
        with tracing.span("publish end"):
            runtime.ender.publish_end(attempt.turn, closing[-1]["sequence_number"], frames[-1])
