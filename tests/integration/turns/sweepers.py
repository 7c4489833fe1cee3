"""What sweepers of these tests are made of."""

from collections.abc import Callable

from shared.core.turn import Turn
from shared.turns.sweeper import Sweeper

LEASE_SECONDS = 30

NewSweeper = Callable[..., Sweeper]


class Broker:
    """Stands where the dispatcher does: notes what it is given, and says that it holds `waiting` messages."""

    def __init__(self) -> None:
        self.waiting = 0
        self.away = False
        self.sent: list[str] = []

    def dispatch(self, turn: Turn) -> None:
        self.sent.append(turn.id)

    def depth(self) -> int:
        if self.away:
            raise ConnectionError
        return self.waiting
