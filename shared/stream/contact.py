"""What a process knows of a Redis that does not answer: its outage is waited for once, and not by each who asks."""

import threading

from shared import clock

_SILENT_SECONDS = 1.0
_ONE_TRY_SECONDS = 3.0
_FORGOTTEN_SECONDS = 5.0


class Contact:
    """Told of every try; any thread may ask. Who last failed some seconds ago knows nothing any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing_since: float | None = None
        self._again_at = 0.0

    def is_worth_a_try(self, patience_seconds: float = 0.0) -> bool:
        """Whether to ask: as long as nothing has failed, and for the first seconds of an outage.

        Beyond these, one caller a second is sent to see whether Redis is back; the others go on without.
        """
        with self._lock:
            now = clock.monotonic()
            if self._failing_since is None or now > self._again_at + _FORGOTTEN_SECONDS:
                self._failing_since = None
                return True
            if now < self._failing_since + patience_seconds:
                return True
            if now < self._again_at:
                return False
            self._again_at = now + _ONE_TRY_SECONDS
            return True

    def failed(self) -> None:
        """Redis did not answer."""
        with self._lock:
            now = clock.monotonic()
            if self._failing_since is None:
                self._failing_since = now
            self._again_at = now + _SILENT_SECONDS

    def made(self) -> None:
        """Redis has answered."""
        with self._lock:
            self._failing_since = None
