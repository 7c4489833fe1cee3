"""Pauses between tries: the first is short, each next one twice as long, up to the longest."""


class Backoff:
    """The pauses of one thing that is tried again."""

    def __init__(self, least_seconds: float, most_seconds: float) -> None:
        self._least = least_seconds
        self._most = most_seconds
        self._next = least_seconds

    def next_seconds(self) -> float:
        """How long to wait before the next try."""
        seconds, self._next = self._next, min(2 * self._next, self._most)
        return seconds

    def reset(self) -> None:
        """It has worked: begin with the shortest again."""
        self._next = self._least
