"""The one source of time in a process; leases go by the database's clock instead (`store.database_clock`)."""

import time


def now() -> float:
    """Seconds since the epoch, for timestamps people see."""
    return time.time()


def monotonic() -> float:
    """Seconds on a clock that never steps, for durations and deadlines."""
    return time.monotonic()
