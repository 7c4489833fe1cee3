"""A purge: old responses are erased batch by batch, each a short transaction, until none is left."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from shared import clock
from shared.store import purging
from shared.store.engine import Database

# For so long, a batch may hold up those who write.
_BATCH_SECONDS = 0.02
_SMALLEST, _FIRST, _LARGEST = 10, 50, 500
_LOOKED_AT = 1_000
# Others than a purge let something go too: by the deletion of what went on from it.
_ANEW_SECONDS = 3_600


class Purge:
    """Erases what is older than that; called again, what has become old since."""

    def __init__(self, database: Database, older_than_seconds: Callable[[], float]) -> None:
        self._database = database
        self._older_than_seconds = older_than_seconds
        self._place = purging.START
        self._begun_at = clock.monotonic()
        self._free: deque[str] = deque()
        self._size = _FIRST

    def step(self) -> int | None:
        """Look further, or erase a batch: how many are gone. None when there is nothing left."""
        if self._free:
            return self._erase(list(dict.fromkeys(islice(self._free, self._size))))
        return 0 if self._look() else None

    def _look(self) -> bool:
        with self._database.read() as connection:
            age = self._older_than_seconds()
            found = purging.find(connection, self._place, older_than_seconds=age, limit=_LOOKED_AT)
        self._free.extend(found.ids)
        seen, self._place = found.place != self._place, found.place
        if not seen and clock.monotonic() - self._begun_at > _ANEW_SECONDS:
            self._place, self._begun_at = purging.START, clock.monotonic()
        return seen

    def _erase(self, chosen: Sequence[str]) -> int:
        with self._database.write() as connection:
            began = clock.monotonic()
            age = self._older_than_seconds()
            erased = purging.erase(connection, chosen, older_than_seconds=age, limit=self._size)
        self._forget(chosen)
        self._free.extendleft(erased.parents)
        self._fit(clock.monotonic() - began)
        return erased.count

    def _forget(self, chosen: Sequence[str]) -> None:
        left = set(chosen)
        while self._free and self._free[0] in left:
            self._free.popleft()

    def _fit(self, took_seconds: float) -> None:
        fitting = int(self._size * _BATCH_SECONDS / took_seconds) if took_seconds else _LARGEST
        self._size = max(_SMALLEST, min(fitting, 2 * self._size, _LARGEST))
