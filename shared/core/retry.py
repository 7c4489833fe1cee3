"""Whether and when to call the upstream again: a decision, not an act."""

from typing import Final

from shared.errors import UpstreamError

FIRST_BACKOFF_SECONDS: Final = 0.5
LONGEST_BACKOFF_SECONDS: Final = 8.0
LONGEST_RETRY_AFTER_SECONDS: Final = 30.0


def retry_delay(attempt: int, attempts: int, error: UpstreamError, jitter: float) -> float | None:
    """Seconds until the call after number `attempt` (from 1) that ended in `error`; None: give up.

    `jitter` in [0, 1) spreads the callers over the whole back-off. It is added to a Retry-After too:
    a server that turned away a thousand turns at once named the same second to all of them.
    """
    if not error.retryable or attempt >= attempts:
        return None
    backoff = min(FIRST_BACKOFF_SECONDS * 2.0 ** min(attempt - 1, 16), LONGEST_BACKOFF_SECONDS)
    wanted = error.retry_after_seconds or 0.0
    return min(wanted, LONGEST_RETRY_AFTER_SECONDS) + jitter * backoff
