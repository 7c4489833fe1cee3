"""The client connections of one API process: so many at most, of which the longest idle make room for new ones."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from shared import clock
from shared.descriptors import HEALTH_CONNECTIONS

CONNECTIONS: Final = "connections"
"""The key of these in the lifespan's state."""

_SAY_AGAIN_SECONDS: Final = 60

log = structlog.get_logger()


class Closable(Protocol):
    """A connection, as it is seen from here."""

    def hang_up(self) -> None:
        """Close it: no request is under way on it."""


@dataclass(slots=True)
class Connections:
    """Who is idle, longest first. `most`: how many there may be before ordinary requests are refused."""

    most: int
    _idle: OrderedDict[Closable, None] = field(default_factory=OrderedDict)
    _said_at: float | None = None

    def idle(self, connection: Closable) -> None:
        """No request is under way on it, from now on."""
        self._idle.pop(connection, None)
        self._idle[connection] = None

    def busy(self, connection: Closable) -> None:
        """A request has begun on it, or it is gone."""
        self._idle.pop(connection, None)

    def admit(self, connection: Closable, count: int) -> bool:
        """Take in a new connection, the `count`th; False when it must be refused at once."""
        if count > self.most:
            self._say(count)
            if self._idle:
                self._idle.popitem(last=False)[0].hang_up()
            elif count > self.most + HEALTH_CONNECTIONS:
                return False
        self.idle(connection)
        return True

    def has_room(self, count: int) -> bool:
        """Whether requests other than health checks are taken while there are `count`."""
        return count <= self.most

    def _say(self, count: int) -> None:
        now = clock.monotonic()
        if self._said_at is None or now - self._said_at > _SAY_AGAIN_SECONDS:
            self._said_at = now
            log.warning("too_many_connections", count=count, limit=self.most)
