"""What this process knows of its Redis: each outage is counted each time and told once, in plain words."""

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from shared import clock
from shared.metrics import REDIS_ERRORS, REDIS_FAILURES, RedisUse
from shared.redis_failures import MEANINGS, REFUSALS, RedisFailure, failure_of

# Nothing is said of the end of an outage by who had no more use for Redis.
_OVER_SECONDS: Final = 30.0

log = structlog.get_logger()


class Part(StrEnum):
    """What fails: one server may be both."""

    REDIS = "redis"
    BROKER = "broker"


_OF_BROKER = (RedisUse.CONSUME, RedisUse.DISPATCH, RedisUse.QUEUE_LENGTH)


@dataclass(slots=True)
class _Trouble:
    failure: RedisFailure
    last: float


class Outages:
    """Called from any thread. `refusals` counts: whatever is older than the last one may belong to another server."""

    def __init__(self) -> None:
        self.refusals = 0
        self._lock = threading.Lock()
        self._troubles: dict[RedisUse, _Trouble] = {}

    def failed(self, use: RedisUse, error: BaseException) -> None:
        """Count a failure; the first of its kind in an outage is logged."""
        failure = failure_of(error)
        REDIS_ERRORS.labels(use).inc()
        REDIS_FAILURES.labels(failure).inc()
        part = _part(use)
        with self._lock:
            known = failure in self._failures(part)
            self.refusals += failure in REFUSALS
            self._troubles[use] = _Trouble(failure, clock.monotonic())
        if not known:
            problem, advice = MEANINGS[failure].problem, MEANINGS[failure].advice
            log.warning("redis_outage", part=part, problem=problem, advice=advice, error=type(error).__name__)

    def worked(self, use: RedisUse) -> None:
        """Say that a use is served; the end of an outage is logged."""
        if use not in self._troubles:
            return
        part = _part(use)
        with self._lock:
            self._troubles.pop(use, None)
            over = not self._failures(part)
        if over:
            log.info("redis_outage_over", part=part)

    def problems(self, part: Part) -> list[str]:
        """What fails now, in plain words."""
        with self._lock:
            return [f"{part} {MEANINGS[failure]}" for failure in sorted(self._failures(part))]

    def _failures(self, part: Part) -> set[RedisFailure]:
        now = clock.monotonic()
        self._troubles = {use: one for use, one in self._troubles.items() if now - one.last < _OVER_SECONDS}
        return {one.failure for use, one in self._troubles.items() if _part(use) is part}


def _part(use: RedisUse) -> Part:
    return Part.BROKER if use in _OF_BROKER else Part.REDIS


outages = Outages()
"""The process's own."""

for _failure in RedisFailure:  # a count that never rose is 0, not missing: alerts compare it
    REDIS_FAILURES.labels(_failure)
