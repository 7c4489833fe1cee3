"""What a connection remembers: the unstored responses that it, and nobody else, may go on from."""

from collections import OrderedDict

from api.held_turns import HeldTurns

MOST_REMEMBERED = 100


class ConnectionMemory:
    """The latest unstored responses of one connection, held while they are here."""

    def __init__(self, held: HeldTurns) -> None:
        self._held = held
        self._known: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, response_id: str | None) -> bool:
        return response_id in self._known

    def remember(self, response_id: str) -> None:
        """Hold a response, and let the oldest go when there are too many."""
        self._known[response_id] = None
        self._held.add(response_id)
        if len(self._known) > MOST_REMEMBERED:
            self.forget(next(iter(self._known)))

    def forget(self, response_id: object) -> None:
        """Let a response go, if it is a known one."""
        if isinstance(response_id, str) and response_id in self._known:
            del self._known[response_id]
            self._held.let_go(response_id)

    def clear(self) -> None:
        """Let all go."""
        for response_id in list(self._known):
            self.forget(response_id)
