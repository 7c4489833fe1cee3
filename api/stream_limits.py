"""How many streams one API process holds open, in all and for one owner: refused before anything is accepted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from shared.errors import Limit, RateLimited
from shared.metrics import OPEN_STREAMS

_TRY_AGAIN_SECONDS = 2


@dataclass(slots=True)
class StreamLimits:
    """Counts open streams; each has a slot, taken before the work begins and let go when the stream is over."""

    most: int
    most_per_owner: int
    _open: Counter[str] = field(default_factory=Counter)

    def take(self, owner: str) -> "Slot":
        """A slot for one more stream; raises RateLimited."""
        if self._open[owner] >= self.most_per_owner:
            text = "Too many of your streams are open. Close one, or try again."
            raise RateLimited(text, _TRY_AGAIN_SECONDS, Limit.STREAMS_PER_OWNER)
        if self._open.total() >= self.most:
            raise RateLimited("Too many streams are open. Try again later.", _TRY_AGAIN_SECONDS, Limit.STREAMS)
        self._open[owner] += 1
        OPEN_STREAMS.inc()
        return Slot(self, owner)

    @contextmanager
    def holding(self, owner: str) -> Iterator[None]:
        """A slot for as long as the block runs; raises RateLimited."""
        slot = self.take(owner)
        try:
            yield
        finally:
            slot.let_go()

    def let_go(self, owner: str) -> None:
        """One stream less."""
        self._open[owner] -= 1
        OPEN_STREAMS.dec()
        if not self._open[owner]:
            del self._open[owner]


@dataclass(slots=True)
class Slot:
    """The right to hold one stream open. As a context, it is given back only if the block fails."""

    _limits: StreamLimits | None
    _owner: str

    def let_go(self) -> None:
        """Give it back; a second time changes nothing."""
        if self._limits is not None:
            self._limits.let_go(self._owner)
            self._limits = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is not None:
            self.let_go()
