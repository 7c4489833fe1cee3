"""Every recovery is told once: one log line and one count, under the same name (G1, G4, G17)."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from shared import clock
from shared.core.turn_status import Status
from shared.metrics import RECOVERIES
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.turns.recovery import Recovery
from tests.integration.turns.sweepers import Broker, NewSweeper
from tests.stored_turns import change, claimed, create, expire, lost_in_sight, row


def lose_message(database: Database) -> str:
    turn = create(database, created_at=int(clock.now()))
    change(database, turn.id, dispatched_at=1.0)
    return turn.id


def wait_for_nobody(database: Database) -> str:
    ended = claimed(database)
    waiting = create(database, created_at=int(clock.now()))
    change(database, waiting.id, waits_for=ended.id, dispatched_at=None)
    change(database, ended.id, status=Status.FAILED, ended_at=database_now(), lease_until=None)
    return waiting.id


def lose_worker_unseen(database: Database) -> str:
    turn = claimed(database)
    expire(database, turn.id)
    change(database, turn.id, dispatched_at=1.0)
    return turn.id


def lose_worker_in_sight(database: Database) -> str:
    return lost_in_sight(database).id


def lose_ender(database: Database) -> str:
    turn = claimed(database)
    change(database, turn.id, attempt=2, ending="cancelled")
    expire(database, turn.id)
    return turn.id


def wait_too_long(database: Database) -> str:
    return create(database, created_at=1).id


def lose_caller(database: Database) -> str:
    turn = create(database, background=False)
    change(database, turn.id, waiter="gone")
    return turn.id


@pytest.mark.parametrize(
    ("lose", "recovery", "status"),
    [
        (lose_message, Recovery.MESSAGE_SENT_AGAIN, "queued"),
        (wait_for_nobody, Recovery.WAITING_RELEASED, "queued"),
        (lose_worker_unseen, Recovery.RESTARTED, "in_progress"),
        (lose_worker_in_sight, Recovery.LOST_FAILED, "failed"),
        (lose_ender, Recovery.END_RESUMED, "cancelled"),
        (wait_too_long, Recovery.OVER_AGE_FAILED, "failed"),
        (lose_caller, Recovery.ABANDONED_CANCELLED, "cancelled"),
    ],
)
def test_what_the_sweeper_recovers_is_told_once(
    database: Database,
    new_sweeper: NewSweeper,
    broker: Broker,
    lose: Callable[[Database], str],
    recovery: Recovery,
    status: str,
) -> None:
    sweeper = new_sweeper(queued_seconds=100)
    response_id = lose(database)
    counted = count_of(recovery)
    with capture_logs() as lines:
        sweeper.sweep()
        sweeper.sweep()
    told = [line for line in lines if line.get("response_id") == response_id and line["event"] in set(Recovery)]
    assert [line["event"] for line in told] == [recovery]
    assert told[0]["log_level"] == "warning"
    assert count_of(recovery) == counted + 1
    assert row(database, response_id)["status"] == status
    assert broker.sent.count(response_id) == (status in ("queued", "in_progress"))


def count_of(recovery: Recovery) -> float:
    return RECOVERIES.labels(recovery.value)._value.get()
