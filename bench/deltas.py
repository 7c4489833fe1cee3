"""What arrives in a stream: how late each delta is, and whether any is lost, doubled or out of order."""

import re
import time
from dataclasses import dataclass, field

_DELTA = b"event: response.output_text.delta\n"
_COMPLETED = b"event: response.completed\n"
_SEQUENCE_NUMBER = re.compile(rb'"sequence_number":(\d+)')
_MARK = re.compile(rb"@(\d+):(\d+);")


@dataclass
class Tally:
    """All streams of a scenario together. Latencies count only inside the window, in seconds since `started_ns`."""

    window: tuple[float, float] = (0.0, float("inf"))
    started_ns: int = field(default_factory=time.monotonic_ns)
    added_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    deltas: int = 0
    lost: int = 0
    doubled: int = 0
    misnumbered: int = 0
    ended: int = 0
    unfinished: int = 0
    errors: int = 0

    def faults(self) -> dict[str, int]:
        """What must be zero."""
        return {
            "lost": self.lost,
            "doubled": self.doubled,
            "misnumbered": self.misnumbered,
            "unfinished": self.unfinished,
            "errors": self.errors,
        }

    def rate(self) -> float:
        """Deltas a second inside the window."""
        start, end = self.window
        return len(self.added_ms) / (min(end, (time.monotonic_ns() - self.started_ns) / 1e9) - start)


class StreamReader:
    """Reads one stream of SSE events into a tally. `feed` is a sink for `Connection.request`."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._rest = b""
        self._next = 0
        self._next_sequence_number = 0
        self._begun_ns = time.monotonic_ns()
        self.completed = False

    def feed(self, piece: bytes, received_ns: int) -> None:
        """Take in the next bytes."""
        *frames, self._rest = (self._rest + piece).split(b"\n\n")
        for frame in frames:
            self._read(frame, received_ns)

    def end(self, expected: int) -> None:
        """Count what never came; called when the server has ended the stream."""
        self._tally.lost += expected - self._next
        self._tally.ended += 1
        self._tally.errors += not self.completed

    def _read(self, frame: bytes, received_ns: int) -> None:
        number = _SEQUENCE_NUMBER.search(frame)
        if number:
            self._tally.misnumbered += int(number[1]) != self._next_sequence_number
            self._next_sequence_number = int(number[1]) + 1
        if frame.startswith(_DELTA):
            for mark in _MARK.finditer(frame):
                self._count(int(mark[1]), int(mark[2]), received_ns)
        elif frame.startswith(_COMPLETED):
            self.completed = True

    def _count(self, seq: int, sent_ns: int, received_ns: int) -> None:
        tally = self._tally
        tally.deltas += 1
        start, end = tally.window
        if start <= (received_ns - tally.started_ns) / 1e9 < end:
            tally.added_ms.append((received_ns - sent_ns) / 1e6)
        if self._next == 0:
            tally.first_ms.append((received_ns - self._begun_ns) / 1e6)
        if seq < self._next:
            tally.doubled += 1
        else:
            tally.lost += seq - self._next
            self._next = seq + 1
