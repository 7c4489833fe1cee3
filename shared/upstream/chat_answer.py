"""The body of one Chat Completions answer: bytes in, chunks out, and how it ended."""

from typing import Any, Final, Protocol

import orjson

from shared.core.chunks import Chunk
from shared.errors import UpstreamError
from shared.upstream import failures
from shared.upstream.chat_chunks import ChatChunks
from shared.upstream.sse_lines import SseLines

DONE: Final = b"[DONE]"
LONGEST_ANSWER_BYTES: Final = 32 * 1024 * 1024


class ChatAnswer(Protocol):
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

    def __init__(self) -> None:
        self.failure: UpstreamError | None = None
        self.done = False
        self._events = SseLines()
        self._chunks = ChatChunks()

    @property
    def finished(self) -> bool:
        return self._chunks.finished

    def feed(self, received: bytes) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for payload in self._events.feed(received):
                if payload == DONE:
                    self._close()
                    break
                chunks.extend(self._chunks.read(parse_json(payload)))
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

    def __init__(self) -> None:
        self.failure: UpstreamError | None = None
        self.done = False
        self.finished = False
        self._body = bytearray()

    def feed(self, received: bytes) -> list[Chunk]:
        self._body += received
        if len(self._body) > LONGEST_ANSWER_BYTES:
            self.done, self.failure = True, failures.garbage()
        return []

    def end(self) -> list[Chunk]:
        self.done = True
        answer = ChatChunks()
        try:
            chunks = answer.read(parse_json(bytes(self._body)))
        except UpstreamError as error:
            self.failure = error
            return []
        self.finished = answer.finished
        self.failure = None if answer.finished else failures.garbage()
        return chunks


def parse_json(payload: bytes) -> Any:
    """A JSON value; raises UpstreamError, whose text does not repeat the bytes."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise failures.garbage() from None
