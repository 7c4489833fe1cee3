"""HTTP as bytes: answers chunk by chunk as they were sent, streams that are dropped at any byte.

with RawStream.post(stack.url(), "/responses", {"input": …, "stream": True}) as stream:
    first = stream.next_event()
    for event in stream.events(): …          # to the end of the body
"""

import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from tests.stream_rules import StreamRules
from tests.wire_types import event_faults

DEADLINE_SECONDS = 20.0

DONE = b"data: [DONE]\n\n"


class RawStream:
    """One request and its answer, read from the socket. Leaving the `with` block drops the connection."""

    def __init__(self, base_url: str, request: bytes) -> None:
        address = urlsplit(base_url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=DEADLINE_SECONDS)
        self._socket.sendall(request)
        self._reader = self._socket.makefile("rb")
        status_line = self._reader.readline()
        self.status = int(status_line.split()[1])
        self.headers = self._read_headers()
        self.ended = False
        self.frames: list[bytes] = []
        self._rules: StreamRules | None = None
        self._ahead = b""

    @classmethod
    def get(cls, base_url: str, path: str, headers: Mapping[str, str] | None = None) -> Self:
        return cls(base_url, request_bytes(base_url, "GET", path, b"", headers))

    @classmethod
    def post(cls, base_url: str, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Self:
        return cls(base_url, request_bytes(base_url, "POST", path, json.dumps(body).encode(), headers))

    def chunks(self) -> Iterator[bytes]:
        """The body's chunks, each as the server wrote it; `ended` tells the end from a broken connection."""
        while not self.ended and (head := self._reader.readline()):
            chunk = self._reader.read(int(head, 16))
            self._reader.readline()
            self.ended = not chunk
            if chunk:
                yield chunk

    def body(self) -> bytes:
        """The whole body, chunked or not."""
        if self.headers.get("transfer-encoding") == "chunked":
            return b"".join(self.chunks())
        return self._reader.read(int(self.headers.get("content-length", "0")))

    def json(self) -> Any:
        """The whole body, parsed."""
        return json.loads(self.body())

    def raw_events(self) -> Iterator[bytes]:
        """Frames (event or comment) as they come; `[DONE]` is the last."""
        chunks = self.chunks()
        while True:
            while b"\n\n" not in self._ahead:
                chunk = next(chunks, None)
                if chunk is None:
                    return
                self._ahead += chunk
            frame, _, self._ahead = self._ahead.partition(b"\n\n")
            self.frames.append(frame + b"\n\n")
            yield frame + b"\n\n"

    def events(self) -> Iterator[dict[str, Any]]:
        """The events, parsed; comments, `retry:` and `[DONE]` left out."""
        for frame in self.raw_events():
            if b"data: " in frame and frame != DONE:
                event = parse_frame(frame)
                if "sequence_number" in event:
                    self._rules = self._rules or StreamRules(whole=event["sequence_number"] == 0)
                    self._rules.take(event)
                yield event

    def next_event(self) -> dict[str, Any]:
        """The next event; raises StopIteration at the end."""
        return next(self.events())

    def until(self, event_type: str) -> list[dict[str, Any]]:
        """The events up to and including the first of this type."""
        seen = []
        for event in self.events():
            seen.append(event)
            if event["type"] == event_type:
                return seen
        raise AssertionError(f"no {event_type} among {[event['type'] for event in seen]}")

    def close(self) -> None:
        """Drop the connection."""
        self._reader.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_headers(self) -> dict[str, str]:
        headers = {}
        while (line := self._reader.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return headers


def request_bytes(
    base_url: str, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None
) -> bytes:
    """A request as bytes; `path` follows the base URL's own, unless it is absolute (`//healthz`)."""
    address = urlsplit(base_url)
    target = path[1:] if path.startswith("//") else address.path + path
    fields = {"host": address.netloc, "content-type": "application/json", "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in {**fields, **(headers or {})}.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body


def parse_frame(frame: bytes) -> dict[str, Any]:
    """One SSE event: its data, as the SDK's types have it, and of the same type as its `event:` line."""
    lines = dict(line.split(b": ", 1) for line in frame.strip().split(b"\n"))
    event: dict[str, Any] = json.loads(lines[b"data"])
    assert lines[b"event"].decode() == event["type"]
    assert event_faults(event) == []
    return event


def numbers(events: list[dict[str, Any]]) -> list[int]:
    """The sequence numbers of events."""
    return [event["sequence_number"] for event in events]


def text_of(events: list[dict[str, Any]]) -> str:
    """What the text deltas say, joined."""
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
