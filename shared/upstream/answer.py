"""The body of one answer, in whatever dialect: bytes in, chunks out, and how it ended."""

from typing import Any, Final, Protocol

from shared.core.chunks import Chunk
from shared.errors import UpstreamError
from shared.upstream import failures
from shared.upstream.json_values import parse_json
from shared.upstream.sse_lines import SseLines

DONE: Final = b"[DONE]"
LONGEST_ANSWER_BYTES: Final = 32 * 1024 * 1024


class Reader(Protocol):
    """Reads the JSON values of one answer in its dialect."""

    finished: bool
    """Whether the model said why it stopped."""

    complete: bool
    """Whether nothing more can follow, so that the end need not be waited for."""

    def read(self, value: Any) -> list[Chunk]:
        """The chunks in one event's value, or in a whole answer; raises UpstreamError on what is none."""
        ...


class Answer(Protocol):
    """One answer while it arrives. A failure is kept, not raised, so that what came before it is not lost."""

    failure: UpstreamError | None
    done: bool

    @property
    def finished(self) -> bool:
        """Whether the model said why it stopped; after that only usage is missing."""
        ...

    def feed(self, received: bytes) -> list[Chunk]:
        """The chunks in the next bytes."""
        ...

    def end(self) -> list[Chunk]:
        """The chunks left at the body's end, where an answer without a finish reason was cut."""
        ...


class StreamedAnswer:
    """An answer as server-sent events; `[DONE]` is welcome and not needed."""

    def __init__(self, reader: Reader) -> None:
        self.failure: UpstreamError | None = None
        self.done = False
        self._events = SseLines()
        self._reader = reader

    @property
    def finished(self) -> bool:
        return self._reader.finished

    def feed(self, received: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for payload in self._events.feed(received):
                if payload == DONE:
                    self._close()
                    break
                chunks.extend(self._reader.read(parse_json(payload)))
                if self._reader.complete:
                    self._close()
                    break
        except UpstreamError as error:
            self.done = True
            self.failure = None if self.finished else error
        return chunks

    def end(self) -> list[Chunk]:
        chunks = self.feed(b"\n\n")
        self._close()
        return chunks

    def _close(self) -> None:
        self.done = True
        if not self.finished:
            self.failure = self.failure or failures.cut()


class WholeAnswer:
    """An answer as one JSON object, from a server that does not stream."""

    def __init__(self, reader: Reader) -> None:
        self.failure: UpstreamError | None = None
        self.done = False
        self._reader = reader
        self._body = bytearray()

    @property
    def finished(self) -> bool:
        return self._reader.finished

    def feed(self, received: bytes) -> list[Chunk]:
        self._body += received
        if len(self._body) > LONGEST_ANSWER_BYTES:
            self.done, self.failure = True, failures.garbage()
        return []

    def end(self) -> list[Chunk]:
        self.done = True
        try:
            chunks = self._reader.read(parse_json(bytes(self._body)))
        except UpstreamError as error:
            self.failure = error
            return []
        self.failure = None if self.finished else failures.garbage()
        return chunks
