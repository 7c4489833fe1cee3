"""Looks in SQL for turns that were ended from outside: their upstream calls stop soon, though Redis tells nothing."""

import threading
from collections.abc import Callable, Sequence

import structlog

from shared.store import attempts
from shared.store.attempts import Fence
from shared.store.engine import Database

# One read by primary keys for all turns of the process. A call must have stopped within a second of its turn's end.
_LOOK_SECONDS = 0.5

log = structlog.get_logger()


class OvertakenTurns:
    """A thread. `held` tells what this process runs; `give_up` is called with what is somebody else's."""

    def __init__(
        self, database: Database, held: Callable[[], Sequence[Fence]], give_up: Callable[[Fence], None]
    ) -> None:
        self._database = database
        self._held = held
        self._give_up = give_up
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="overtaken-turns", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the database is away: so is whoever could end a turn
                log.warning("overtaken_turns_wait_for_database", error=type(error).__name__)

    def _look(self) -> None:
        held = self._held()
        if not held:
            return
        with self._database.read() as connection:
            overtaken = attempts.overtaken(connection, held)
        for fence in overtaken:
            self._give_up(fence)
