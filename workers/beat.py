"""Says every few seconds that this worker lives, for those who look at the deployment as a whole."""

import contextlib
import threading

import structlog

from shared.store import processes
from shared.store.engine import Database
from shared.turns import recovery
from shared.version import VERSION

log = structlog.get_logger()


class Beat:
    """A thread; nothing depends on it. Turns have leases."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and say that it is gone."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(Exception), self._database.write() as connection:
            processes.leave(connection, processes.WORKER, self._name)

    def _run(self) -> None:
        while True:
            try:
                with self._database.write() as connection:
                    processes.beat(connection, processes.WORKER, self._name, VERSION, recovery.counts())
            except Exception as error:  # noqa: BLE001 - the database is away; it is told when it is back
                log.warning("beat_failed", error=type(error).__name__)
            if self._stop.wait(processes.BEAT_SECONDS):
                return
