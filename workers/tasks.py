"""The Celery tasks: thin, with nothing in arguments, results or exceptions but ids and fixed words."""

from celery.exceptions import Ignore, Terminated

from shared import ids
from shared.core.turn_status import Status
from shared.queue import RUN_TURN
from workers import turn_runner
from workers.app import app, runtime


class TurnFailed(Exception):
    """Shows a turn as failed to whoever watches the workers; its end is stored already. The text is the error code."""


@app.task(name=RUN_TURN, throws=(TurnFailed, Terminated), Strategy="workers.messages:only_ours")
def run_turn(response_id: str) -> None:
    """Run the turn `response_id`. A message that is not ours, late or a duplicate is ignored, not a success."""
    if not isinstance(response_id, str) or not ids.is_response_id(response_id):
        raise Ignore
    outcome = turn_runner.run(runtime(), response_id)
    status = outcome.status if outcome else turn_runner.status_elsewhere(runtime(), response_id)
    if status is Status.CANCELLED:
        raise Terminated(status) from None
    if outcome is None:
        raise Ignore
    if outcome.status is Status.FAILED and outcome.error:
        raise TurnFailed(outcome.error["code"]) from None
