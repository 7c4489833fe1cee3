"""Leases: the proof, renewed every third of their length, that a worker still lives."""

import threading
from collections.abc import Callable

import structlog

from shared.store import attempts
from shared.store.attempts import Fence
from shared.store.engine import Database, is_outage

log = structlog.get_logger()


class LeaseKeeper:
    """One thread renews all leases of the process in one statement, and tells those that were lost."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._held: dict[Fence, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self._thread.start()

    def hold(self, fence: Fence, on_lost: Callable[[], None]) -> None:
        """Keep this lease; `on_lost` is called, from the keeper's thread, when the turn is somebody else's."""
        with self._lock:
            self._held[fence] = on_lost

    def release(self, fence: Fence) -> None:
        """Stop keeping it."""
        with self._lock:
            self._held.pop(fence, None)

    def renew_now(self, fence: Fence) -> bool:
        """RENEW one lease; False when it was lost. Raises as the database does."""
        with self._database.write() as connection:
            return bool(attempts.renew(connection, [fence], lease_seconds=self._lease_seconds))

    def close(self) -> None:
        """Stop renewing; leases run out by themselves."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._lease_seconds / 3):
            try:
                self._renew_all()
            except Exception as error:  # noqa: BLE001 - nothing may stop the renewals; an outage is waited out
                log.error("lease_renewal_failed", error=type(error).__name__, outage=is_outage(error))

    def _renew_all(self) -> None:
        with self._lock:
            held = dict(self._held)
        if not held:
            return
        with self._database.write() as connection:
            survivors = attempts.renew(connection, list(held), lease_seconds=self._lease_seconds)
        for fence in held.keys() - survivors:
            self.release(fence)
            held[fence]()
