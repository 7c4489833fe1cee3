"""The net below everything: finds turns that nobody drives any more, and drives them on.

Runs as a thread in every worker and API process, any number of them at once: each step is a compare-and-set. It does
not travel through the broker, since it must work while the broker is down.
"""

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import structlog

from shared import clock
from shared.core.turn import Turn
from shared.metrics import SWEEPER_CHORES, RedisUse
from shared.queue import Dispatcher
from shared.redis_outages import outages
from shared.settings import Settings
from shared.store import abandoned, processes, sweeping
from shared.store.database_clock import read_clock
from shared.store.engine import Connection, Database, is_outage
from shared.store.sweeping import Chore, Limits
from shared.turns.database_contact import DatabaseContact
from shared.turns.ending import Rest, TurnEnder
from shared.turns.purger import Purger
from shared.turns.recovery import Recovery, tell

_LOST = {"code": "server_error", "message": "The worker running this turn was lost."}
_OVER_AGE = {"code": "server_error", "message": "The turn did not end within the time this server allows."}
_AT_ONCE = 100
# Each end may wait for a Redis that is away: so many wait together.
_ENDER_THREADS = 8
_DAY_SECONDS = 86_400
# What was deleted is out of SQLite's write-ahead log within a minute, though somebody may be in the way one time.
_TIDY_SECONDS = 20

T = TypeVar("T")
log = structlog.get_logger()

for _chore in Chore:
    SWEEPER_CHORES.labels(_chore)


class Sweeper:
    """Sweeps every `sweep_seconds`. After a database outage or a step of its clock, nobody is judged for a lease."""

    def __init__(self, database: Database, ender: TurnEnder, dispatcher: Dispatcher, settings: Settings) -> None:
        self._database = database
        self._ender = ender
        self._dispatcher = dispatcher
        self._lease_seconds = settings.lease_seconds
        self._owner_share = settings.owner_share
        self._sweep_seconds = settings.sweep_seconds
        self._limits = _limits(settings)
        self._begun: list[tuple[Recovery, Turn, Rest]] = []
        """Ends that are decided; to be written once all else is done, since they may wait for Redis."""
        longest_gap = max(settings.lease_seconds / 2, settings.sweep_seconds) + settings.sweep_seconds
        self._contact = DatabaseContact(settings.lease_seconds, longest_gap)
        self._purger = Purger(database, self._limits.kept, self._contact)
        self._tidy_at = -math.inf
        self._chores: dict[Chore, Callable[[], object]] = {
            Chore.ERASE: self._purger.wake,
            Chore.FORGET_KEYS: self._purger.wake,
            Chore.PURGE: self._purger.wake,
            Chore.RELEASE: self._release,
            Chore.SEND_AGAIN: self._send_again,
            Chore.END_ABANDONED: self._end_abandoned,
            Chore.END_OVER_AGE: self._end_over_age,
            Chore.RESTART: self._restart,
            Chore.END_LOST: self._end_lost,
            Chore.RESUME_ENDS: self._resume_ends,
            Chore.SHORTEN_LEASES: self._shorten_leases,
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the sweep under way."""
        self._stop.set()
        self._purger.close()
        self._thread.join()

    def sweep(self) -> None:
        """Look once for everything; raises as the database does."""
        self._change(_nothing)
        found = self._read(sweeping.look, limits=self._limits)
        # Last what asks the broker, which may not answer.
        for chore in sorted(found, key=lambda chore: chore is Chore.SEND_AGAIN):
            SWEEPER_CHORES.labels(chore).inc()
            self._chores[chore]()
        self._write_ends()
        if clock.monotonic() >= self._tidy_at:
            self._tidy_at = clock.monotonic() + _TIDY_SECONDS
            self._database.empty_log()

    def _run(self) -> None:
        while not self._stop.wait(self._sweep_seconds):
            try:
                self.sweep()
            except Exception as error:  # noqa: BLE001 - nothing may stop the net
                log.warning("sweep_failed", error=type(error).__name__)

    # -- chores ---------------------------------------------------------------------------------------------

    def _release(self) -> None:
        self._dispatch(Recovery.WAITING_RELEASED, self._change(sweeping.release, owner_share=self._owner_share))

    def _send_again(self) -> None:
        """Send lost messages again, never more than the broker is short of: a long healthy queue gets none."""
        queued = self._read(sweeping.count_queued)
        try:
            missing = queued - self._dispatcher.depth()
        except Exception as error:  # noqa: BLE001 - each transport raises its own; the turns wait until it is back
            outages.failed(RedisUse.QUEUE_LENGTH, error)
            return
        outages.worked(RedisUse.QUEUE_LENGTH)
        if missing > 0:
            limit = min(missing, _AT_ONCE)
            silent = self._change(sweeping.silent, older_than_seconds=self._limits.silent, limit=limit)
            self._dispatch(Recovery.MESSAGE_SENT_AGAIN, silent)

    def _end_abandoned(self) -> None:
        """Nobody waits for a foreground turn whose API process has died."""
        unseen = self._limits.unseen
        turns = self._judge(abandoned.find, after_seconds=unseen, unseen_seconds=unseen, limit=_AT_ONCE)
        self._begin_each(Recovery.ABANDONED_CANCELLED, turns, lambda turn: self._ender.begin(turn, "cancelled"))

    def _end_over_age(self) -> None:
        # A turn is not older because the clock has stepped.
        ahead = self._contact.ahead_seconds
        limits = {"queued_seconds": self._limits.queued + ahead, "running_seconds": self._limits.running + ahead}
        turns = self._judge(sweeping.over_age, limit=_AT_ONCE, **limits)
        self._begin_each(Recovery.OVER_AGE_FAILED, turns, lambda turn: self._ender.begin(turn, "failed", _OVER_AGE))

    def _restart(self) -> None:
        restartable = self._judge(sweeping.restartable, older_than_seconds=self._lease_seconds, limit=_AT_ONCE)
        self._dispatch(Recovery.RESTARTED, restartable)

    def _end_lost(self) -> None:
        turns = self._judge(sweeping.lost, limit=_AT_ONCE)
        self._begin_each(Recovery.LOST_FAILED, turns, lambda turn: self._ender.begin_lost(turn, _LOST))

    def _resume_ends(self) -> None:
        # As many as are under way at once: a lease that ran out in the queue would be taken by the next sweeper.
        adopt = {"lease_seconds": self._lease_seconds, "limit": _ENDER_THREADS}
        turns = self._judge(sweeping.adopt_dead_enders, **adopt)
        self._begin_each(
            Recovery.END_RESUMED,
            turns,
            lambda turn: partial(self._ender.resume, turn, _LOST if turn.ending == "failed" else None),
        )

    def _shorten_leases(self) -> None:
        shorten = partial(sweeping.shorten_leases, lease_seconds=self._lease_seconds)
        self._if_undisturbed(shorten, self._lease_seconds)

    # -- steps ----------------------------------------------------------------------------------------------

    def _begin_each(self, recovery: Recovery, turns: list[Turn], begin: Callable[[Turn], Rest | None]) -> None:
        """Decide these ends, in SQL alone; the database answered each."""
        for turn in turns:
            try:
                if rest := begin(turn):
                    self._begun.append((recovery, turn, rest))
            except Exception as error:
                if is_outage(error):
                    raise
                # One that cannot be ended must not keep the others from their ends.
                log.error("end_failed", response_id=turn.id, error=type(error).__name__)
            self._contact.note()

    def _write_ends(self) -> None:
        """Write the ends that were decided, some at a time."""
        begun, self._begun = self._begun, []
        if not begun:
            return

        def write(recovery: Recovery, turn: Turn, rest: Rest) -> None:
            if rest():
                tell(recovery, turn.id, turn.attempt)
            self._contact.note()

        with ThreadPoolExecutor(_ENDER_THREADS, thread_name_prefix="sweeper-ender") as pool:
            list(pool.map(lambda one: write(*one), begun))

    def _dispatch(self, recovery: Recovery, turns: list[Turn]) -> None:
        for turn in turns:
            tell(recovery, turn.id, turn.attempt)
            self._dispatcher.dispatch(turn)

    def _judge(self, query: Callable[..., list[Turn]], *, after_seconds: float = 0.0, **kwargs: object) -> list[Turn]:
        """Turns that are lost by the clock; none within a lease, or `after_seconds`, of a disturbance."""
        quiet_seconds = max(self._lease_seconds, after_seconds)
        return self._if_undisturbed(partial(query, **kwargs), quiet_seconds) or []

    def _if_undisturbed(self, change: Callable[[Connection], T], seconds: float) -> T | None:
        """Change by what the database's clock says, unless it was disturbed in the last `seconds`.

        Asked in a transaction that writes, once it has begun: where it had to wait, so had the renewals.
        """
        with self._writing() as connection:
            return change(connection) if self._contact.undisturbed(seconds) else None

    def _change(self, change: Callable[..., T], **kwargs: object) -> T:
        with self._writing() as connection:
            return change(connection, **kwargs)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._database.write() as connection:
            self._contact.note(read_clock(connection))
            yield connection

    def _read(self, query: Callable[..., T], **kwargs: object) -> T:
        with self._database.read() as connection:
            return query(connection, **kwargs)


def _nothing(_connection: Connection) -> None:
    """That a transaction could write shows that others could renew; what there is to do is then read without one."""


def _limits(settings: Settings) -> Limits:
    return Limits(
        silent=settings.sweep_seconds,
        lease=settings.lease_seconds,
        unseen=processes.UNSEEN_SECONDS,
        queued=settings.queued_seconds,
        running=settings.turn_seconds + 2 * settings.lease_seconds,
        kept=settings.retention_days and settings.retention_days * _DAY_SECONDS,
    )
