"""The net below everything: finds turns that nobody drives any more, and drives them on.

Runs as a thread in every worker and API process, any number of them at once: each step is a compare-and-set. It does
not travel through the broker, since it must work while the broker is down.
"""

import math
import threading
from collections.abc import Callable
from typing import TypeVar

import structlog

from shared import clock
from shared.core.turn import Turn
from shared.queue import Dispatcher
from shared.settings import Settings
from shared.store import api_processes, idempotency, responses, sweeping
from shared.store.engine import Database
from shared.turns.ending import TurnEnder
from shared.turns.recovery import Recovery, tell

_LOST = {"code": "server_error", "message": "The worker running this turn was lost."}
_OVER_AGE = {"code": "server_error", "message": "The turn did not end within the time this server allows."}
_UNSEEN_SECONDS = 15  # three beats of an API process
_AT_ONCE = 100
_DAY_SECONDS = 86_400

T = TypeVar("T")
log = structlog.get_logger()


class Sweeper:
    """Sweeps every `sweep_seconds`. After a database outage, leases are not judged for one whole lease."""

    def __init__(self, database: Database, ender: TurnEnder, dispatcher: Dispatcher, settings: Settings) -> None:
        self._database = database
        self._ender = ender
        self._dispatcher = dispatcher
        self._lease_seconds = settings.lease_seconds
        self._sweep_seconds = settings.sweep_seconds
        self._queued_seconds = settings.queued_seconds
        self._running_seconds = settings.turn_seconds + 2 * settings.lease_seconds
        self._keep_seconds = settings.retention_days and settings.retention_days * _DAY_SECONDS
        self._last_contact = clock.monotonic()
        self._outage_over = -math.inf
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the sweep under way."""
        self._stop.set()
        self._thread.join()

    def sweep(self) -> None:
        """Look once for everything; raises as the database does."""
        self._change(responses.erase_due)
        self._change(idempotency.forget_old)
        if self._keep_seconds:
            self._change(sweeping.purge, older_than_seconds=self._keep_seconds, limit=_AT_ONCE)
        self._dispatch(Recovery.WAITING_RELEASED, self._change(sweeping.release_orphans))
        self._resend_silent()
        self._end_abandoned()
        self._end_over_age()
        self._recover_lost()

    def _run(self) -> None:
        while not self._stop.wait(self._sweep_seconds):
            try:
                self.sweep()
            except Exception as error:  # noqa: BLE001 - nothing may stop the net
                log.warning("sweep_failed", error=type(error).__name__)

    def _note_contact(self) -> None:
        # Nobody could renew while the database was away: a lease that ran out meanwhile says nothing about its worker.
        now = clock.monotonic()
        if now - self._last_contact > self._lease_seconds / 2 + self._sweep_seconds:
            self._outage_over = now
        self._last_contact = now

    def _resend_silent(self) -> None:
        """Send lost messages again, never more than the broker is short of: a long healthy queue gets none."""
        queued = self._read(sweeping.count_queued)
        if not queued:
            return
        try:
            missing = queued - self._dispatcher.depth()
        except Exception as error:  # noqa: BLE001 - each transport raises its own; the turns wait until it is back
            log.warning("broker_unreachable", error=type(error).__name__)
            return
        if missing > 0:
            limit = min(missing, _AT_ONCE)
            silent = self._change(sweeping.silent, older_than_seconds=self._sweep_seconds, limit=limit)
            self._dispatch(Recovery.MESSAGE_SENT_AGAIN, silent)

    def _end_abandoned(self) -> None:
        """Nobody waits for a foreground turn whose API process has died."""
        for turn in self._judge(
            api_processes.abandoned, after_seconds=_UNSEEN_SECONDS, unseen_seconds=_UNSEEN_SECONDS, limit=_AT_ONCE
        ):
            if self._ender.end(turn, "cancelled"):
                tell(Recovery.ABANDONED_CANCELLED, turn.id, turn.attempt)

    def _end_over_age(self) -> None:
        limits = {"queued_seconds": self._queued_seconds, "running_seconds": self._running_seconds}
        for turn in self._judge(sweeping.over_age, limit=_AT_ONCE, **limits):
            if self._ender.end(turn, "failed", _OVER_AGE):
                tell(Recovery.OVER_AGE_FAILED, turn.id, turn.attempt)

    def _recover_lost(self) -> None:
        restartable = self._judge(sweeping.restartable, older_than_seconds=self._lease_seconds, limit=_AT_ONCE)
        self._dispatch(Recovery.RESTARTED, restartable)
        for turn in self._judge(sweeping.lost, limit=_AT_ONCE):
            if self._ender.end_lost(turn, _LOST):
                tell(Recovery.LOST_FAILED, turn.id, turn.attempt)
        for turn in self._judge(sweeping.adopt_dead_enders, lease_seconds=self._lease_seconds):
            if self._ender.resume(turn, _LOST if turn.ending == "failed" else None):
                tell(Recovery.END_RESUMED, turn.id, turn.attempt)

    def _dispatch(self, recovery: Recovery, turns: list[Turn]) -> None:
        for turn in turns:
            tell(recovery, turn.id, turn.attempt)
            self._dispatcher.dispatch(turn.id, turn.request.get("service_tier", "auto"))

    def _judge(self, query: Callable[..., list[Turn]], *, after_seconds: float = 0.0, **kwargs: object) -> list[Turn]:
        """Turns that are lost by the clock; none within a lease, or `after_seconds`, of a database outage.

        Asked in a transaction that writes, once it has begun: where it had to wait, so had the renewals.
        """
        with self._database.write() as connection:
            self._note_contact()
            quiet_seconds = max(self._lease_seconds, after_seconds)
            return query(connection, **kwargs) if clock.monotonic() >= self._outage_over + quiet_seconds else []

    def _change(self, change: Callable[..., T], *args: object, **kwargs: object) -> T:
        with self._database.write() as connection:
            self._note_contact()
            return change(connection, *args, **kwargs)

    def _read(self, query: Callable[..., T], **kwargs: object) -> T:
        with self._database.read() as connection:
            return query(connection, **kwargs)
