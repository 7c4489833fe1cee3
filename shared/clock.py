"""The one source of time in a process; leases go by the database's clock instead (`store.database_clock`)."""

import time


def now() -> float:
    """Seconds since the epoch, for timestamps people see."""
    return time.time()


def monotonic() -> float:
    """Seconds on a clock that never steps, for durations and deadlines."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Stop this thread for a while; for waits between tries, never on an event loop."""
    time.sleep(seconds)
