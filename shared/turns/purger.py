"""Erases what is no longer to be kept, in a thread of its own and in the gaps that turns leave."""

import threading
from collections.abc import Callable

import structlog

from shared import clock
from shared.store import idempotency, responses
from shared.store.engine import Database
from shared.turns.database_contact import DatabaseContact
from shared.turns.purge import Purge

_AT_ONCE = 200
# For so long a live connection holds what was not to be stored.
_HELD_SECONDS = 60
# How long it rests after each step, in times of what that took: turns come first.
_REST = 4

log = structlog.get_logger()


class Purger:
    """Works when it is woken, until there is nothing left. Any number of processes may do so at once.

    After a step of the database's clock it waits: what a live connection holds may be held anew, and nothing is older.
    """

    def __init__(self, database: Database, kept_seconds: float | None, contact: DatabaseContact) -> None:
        self._database = database
        self._contact = contact
        self._kinds: list[Callable[[], int | None]] = [
            lambda: self._some(responses.erase_due),
            lambda: self._some(idempotency.forget_old),
        ]
        if kept_seconds:
            purge = Purge(database, lambda: kept_seconds + contact.ahead_seconds)
            self._kinds.append(purge.step)
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="purger", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to erase."""
        self._woken.set()

    def close(self) -> None:
        """Stop after the batch under way."""
        self._stop.set()
        self._woken.set()
        self._thread.join()

    def _run(self) -> None:
        while self._woken.wait() and not self._stop.is_set():
            self._woken.clear()
            for step in self._kinds if self._contact.undisturbed(_HELD_SECONDS) else ():
                self._all(step)

    def _all(self, step: Callable[[], int | None]) -> None:
        try:
            left, rest_seconds = True, 0.0
            while left and not self._stop.wait(rest_seconds):
                began = clock.monotonic()
                left = step() is not None
                rest_seconds = _REST * (clock.monotonic() - began)
        except Exception as error:  # noqa: BLE001 - the next sweep wakes it again
            log.warning("purge_failed", error=type(error).__name__)

    def _some(self, erase: Callable[..., int]) -> int | None:
        with self._database.write() as connection:
            return erase(connection, limit=_AT_ONCE) or None
