"""What is told of each recovery: one log line and one count, under the same name."""

from enum import StrEnum

import structlog

from shared.metrics import RECOVERIES

log = structlog.get_logger()


class Recovery(StrEnum):
    """The ways in which a turn is saved, or ended, when its own course was cut."""

    MESSAGE_SENT_AGAIN = "lost_message_sent_again"
    WAITING_RELEASED = "waiting_turn_released"
    RESTARTED = "turn_restarted"
    LOST_FAILED = "lost_turn_failed"
    END_RESUMED = "end_resumed"
    OVER_AGE_FAILED = "over_age_turn_failed"
    ABANDONED_CANCELLED = "abandoned_turn_cancelled"
    GIVEN_BACK = "drained_turn_given_back"
    DRAINED_FAILED = "drained_turn_failed"
    LOG_HEALED = "event_log_healed"


def tell(recovery: Recovery, response_id: str, attempt: int) -> None:
    """Log the recovery of a turn, as it was found, and count it."""
    log.warning(recovery.value, response_id=response_id, attempt=attempt)
    RECOVERIES.labels(recovery.value).inc()


def counts() -> dict[str, int]:
    """How many there were of each kind since this process began, of those that there were."""
    samples = [sample for metric in RECOVERIES.collect() for sample in metric.samples]
    return {one.labels["kind"]: int(one.value) for one in samples if one.name.endswith("_total") and one.value}


for _recovery in Recovery:  # a count that never rose is 0, not missing: alerts compare it
    RECOVERIES.labels(_recovery.value)
