"""When the database's clock may be believed: leases are judged only where their holders had the time to renew them.

| what happened             | what it would do                             | what is done                              |
|---------------------------|----------------------------------------------|-------------------------------------------|
| an outage                 | leases run out that nobody could renew       | nobody is judged for a lease              |
| its clock stepped forward | leases run out, turns look old, all at once  | the same; ages are counted without it     |
| its clock stepped back    | leases, beats and messages are of the future | the same; what is of the future is over   |
| this machine was asleep   | both of the above                            | the same                                  |

A step is left to what harms nobody who is alive: idempotency keys and event tokens may end early, a webhook may be sent
early, and after a step back what was not to be stored is erased later.
"""

import math
import threading

import structlog

from shared import clock

_LEAST_TOLERANCE_SECONDS = 0.5

log = structlog.get_logger()


class DatabaseContact:
    """One process's. `longest_gap_seconds`: without contact for longer, others had none either."""

    def __init__(self, lease_seconds: float, longest_gap_seconds: float) -> None:
        self._longest_gap = longest_gap_seconds
        self._tolerance = max(_LEAST_TOLERANCE_SECONDS, lease_seconds / 6)
        self._last_contact = clock.monotonic()
        self._offset: float | None = None
        self._disturbed_at = -math.inf
        self._ahead = 0.0
        self._lock = threading.Lock()

    @property
    def ahead_seconds(self) -> float:
        """By how much the database's clock has stepped forward, all together, since this process began."""
        return self._ahead

    def note(self, database_seconds: float | None = None) -> None:
        """The database has let this process write; `database_seconds`: its time at this moment, if it was asked."""
        with self._lock:
            now = clock.monotonic()
            if now - self._last_contact > self._longest_gap:
                self._disturbed_at = now
            self._last_contact = now
            if database_seconds is not None:
                self._compare(database_seconds - now)

    def undisturbed(self, seconds: float) -> bool:
        """Whether the last outage or step of the clock is so long ago."""
        return clock.monotonic() >= self._disturbed_at + seconds

    def _compare(self, offset: float) -> None:
        before, self._offset = self._offset, offset
        if before is None or abs(step := offset - before) <= self._tolerance:
            return
        self._disturbed_at = clock.monotonic()
        self._ahead += max(0.0, step)
        log.warning("database_clock_stepped", seconds=round(step, 1))
