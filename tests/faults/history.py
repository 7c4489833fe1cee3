"""What a client saw of a turn: every event, over all the connections that it took."""

import threading
from collections.abc import Sequence
from typing import Any

from tests.raw_http import RawStream

Event = dict[str, Any]

SECONDS = 30.0
TERMINAL = ("response.completed", "response.incomplete", "response.failed")


class Follower:
    """Reads a stream in a thread of its own, over as many connections as it takes, until the terminal event.

    A client as the documents ask for it: after a broken connection it resumes after the last number it has seen.
    """

    def __init__(self, urls: Sequence[str], stream: RawStream) -> None:
        self.events: list[Event] = []
        self.resumed = 0
        self._urls = urls
        self._grown = threading.Condition()
        self._failure: BaseException | None = None
        self._over = False
        self._thread = threading.Thread(target=self._run, args=(stream,), name="follower", daemon=True)
        self._thread.start()

    @classmethod
    def post(cls, urls: Sequence[str], body: dict[str, Any]) -> "Follower":
        """Make a turn with a stream and follow it."""
        return cls(urls, RawStream.post(urls[0], "/responses", body | {"stream": True}))

    @classmethod
    def get(cls, urls: Sequence[str], response_id: str) -> "Follower":
        """Follow a turn that is there."""
        return cls(urls, RawStream.get(urls[0], f"/responses/{response_id}?stream=true"))

    @property
    def response_id(self) -> str:
        """The id, as soon as it is known."""
        return str(self.wait_for(1)[0]["response"]["id"])

    def wait_for(self, count: int, seconds: float = SECONDS) -> list[Event]:
        """The events, as soon as there are `count` of them, or the last one."""
        with self._grown:
            enough = self._grown.wait_for(lambda: len(self.events) >= count or self._over, seconds)
            if not enough:
                raise TimeoutError(f"waited {seconds} s for {count} events, got {len(self.events)}")
            self._raise()
            return list(self.events)

    def stays_open(self, seconds: float) -> None:
        """For so long, the stream does not end."""
        with self._grown:
            assert not self._grown.wait_for(lambda: self._over, seconds), self.events[-1]

    def end(self, seconds: float = SECONDS) -> list[Event]:
        """All events, at the end."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise TimeoutError(f"the stream has not ended after {seconds} s: {[e['type'] for e in self.events][-3:]}")
        self._raise()
        return self.events

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self, stream: RawStream) -> None:
        try:
            self._follow(stream)
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            self._failure = error
        finally:
            with self._grown:
                self._over = True
                self._grown.notify_all()

    def _follow(self, stream: RawStream) -> None:
        turn = 0
        while not self._take(stream):
            turn += 1
            self.resumed += 1
            last = self.events[-1]["sequence_number"]
            path = f"/responses/{self.events[0]['response']['id']}?stream=true&starting_after={last}"
            stream = self._reopen(turn, path)

    def _reopen(self, turn: int, path: str) -> RawStream:
        for offset in range(len(self._urls)):
            try:
                return RawStream.get(self._urls[(turn + offset) % len(self._urls)], path)
            except ConnectionError:
                continue
        raise ConnectionError("no API process takes connections")

    def _take(self, stream: RawStream) -> bool:
        """Read a connection to its end; whether the turn's end was in it."""
        with stream:
            assert stream.status == 200, stream.body()
            try:
                for event in stream.events():
                    with self._grown:
                        self.events.append(event)
                        self._grown.notify_all()
            except (ConnectionError, ValueError):  # a chunk that breaks off
                pass
        return bool(self.events) and self.events[-1]["type"] in TERMINAL
