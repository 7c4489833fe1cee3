"""A WebSocket at /v1/responses without a client library's opinions: any message out, every event in.

with RawSocket(stack.url()) as connected:
    connected.create(input="hi")
    events = connected.turn()
"""

import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

DEADLINE_SECONDS = 20.0
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


class RawSocket:
    """One connection. `send` takes text or bytes as they are, everything else as JSON."""

    def __init__(self, base_url: str, headers: Mapping[str, str] | None = None, **options: Any) -> None:
        url = base_url.replace("http:", "ws:") + "/responses"
        self.connection = connect(url, additional_headers=dict(headers or {}), max_size=None, **options)

    def send(self, message: Any) -> None:
        self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def create(self, **fields: Any) -> None:
        """Ask for a turn."""
        self.send({"type": "response.create", "model": "m"} | fields)

    def next_event(self) -> dict[str, Any]:
        """The next event; raises TimeoutError, or ConnectionClosed."""
        event: dict[str, Any] = json.loads(self.connection.recv(DEADLINE_SECONDS))
        return event

    def until(self, *kinds: str) -> list[dict[str, Any]]:
        """The events up to and including the first of these kinds."""
        events = [self.next_event()]
        while events[-1]["type"] not in kinds:
            events.append(self.next_event())
        return events

    def turn(self) -> list[dict[str, Any]]:
        """The events up to the end of a turn, or an error."""
        return self.until(*ENDS)

    def ask(self, **fields: Any) -> dict[str, Any]:
        """Run a turn; the last event."""
        self.create(**fields)
        return self.turn()[-1]

    def to_close(self) -> Iterator[dict[str, Any]]:
        """The events until the server closes; then `closed` tells how."""
        try:
            while True:
                yield self.next_event()
        except ConnectionClosed:
            return

    @property
    def closed(self) -> tuple[int | None, str | None]:
        """The close's code and reason."""
        return self.connection.close_code, self.connection.close_reason

    def drop(self) -> None:
        """Go without a word."""
        self.connection.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
