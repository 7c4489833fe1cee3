"""What a client saw of a turn: every event, over all the connections that it took."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.eventually import eventually
from tests.raw_http import parse_frame, text_of

Event = dict[str, Any]

SECONDS = 30.0
_AGAIN_SECONDS = 0.2
TERMINAL = ("response.completed", "response.incomplete", "response.failed")


class Follower:
    """Reads a stream in a thread of its own, over as many connections as it takes, until the terminal event.

    A client as the documents ask for it: after a broken connection it resumes after the last number it has seen.
    With an idempotency key it is patient too: what was cut off before the first event, or put off by a 503, it repeats.
    """

    def __init__(
        self, urls: Sequence[str], method: str, path: str, body: dict[str, Any] | None, key: str | None = None
    ) -> None:
        self.events: list[Event] = []
        self.resumed = 0
        self._urls = urls
        self._key = key
        self._grown = threading.Condition()
        self._failure: BaseException | None = None
        self._over = False
        self._thread = threading.Thread(target=self._run, args=(method, path, body), name="follower", daemon=True)
        self._thread.start()

    @classmethod
    def post(cls, urls: Sequence[str], body: dict[str, Any], key: str | None = None) -> "Follower":
        """Make a turn with a stream and follow it."""
        return cls(urls, "POST", "/responses", body | {"stream": True}, key)

    @classmethod
    def get(cls, urls: Sequence[str], response_id: str) -> "Follower":
        """Follow a turn that is there."""
        return cls(urls, "GET", f"/responses/{response_id}?stream=true", None)

    @property
    def response_id(self) -> str:
        """The id, as soon as it is known."""
        return str(self.wait_for(1)[0]["response"]["id"])

    def wait_for(self, count: int, seconds: float = SECONDS) -> list[Event]:
        """The events, as soon as there are `count` of them, or the last one."""
        return self._wait(lambda: len(self.events) >= count, f"{count} events", seconds)

    def wait_to_hear(self, words: str, seconds: float = SECONDS) -> list[Event]:
        """The events, as soon as their text has these words, or with the last one."""
        return self._wait(lambda: words in text_of(self.events), repr(words), seconds)

    def _wait(self, enough: Callable[[], bool], what: str, seconds: float) -> list[Event]:
        with self._grown:
            if not self._grown.wait_for(lambda: enough() or self._over, seconds):
                raise TimeoutError(f"waited {seconds} s for {what}, got {len(self.events)} events")
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

    def _run(self, method: str, path: str, body: dict[str, Any] | None) -> None:
        try:
            with httpx2.Client(timeout=SECONDS) as http:
                ended = self._begin(http, method, path, body)
                while not ended:
                    self.resumed += 1
                    ended = self._resume(http)
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            self._failure = error
        finally:
            with self._grown:
                self._over = True
                self._grown.notify_all()

    def _begin(self, http: httpx2.Client, method: str, path: str, body: dict[str, Any] | None) -> bool:
        """The first connection with an event in it; whether the end came too."""
        if self._key is None:
            return self._take(http, method, self._urls[0] + path, body)
        for url in itertools.cycle(self._urls):
            with contextlib.suppress(httpx2.TransportError):
                ended = self._take(http, method, url + path, body)
                if self.events:
                    return ended
            time.sleep(_AGAIN_SECONDS)
        raise AssertionError

    def _resume(self, http: httpx2.Client) -> bool:
        """Go on where the last connection broke off, on whichever process takes it; whether the end came."""
        last = self.events[-1]["sequence_number"]
        path = f"/responses/{self.events[0]['response']['id']}?stream=true&starting_after={last}"
        for offset in range(len(self._urls)):
            with contextlib.suppress(httpx2.ConnectError):
                return self._take(http, "GET", self._urls[(self.resumed + offset) % len(self._urls)] + path, None)
        eventually(lambda: any(map(accepts, self._urls)), SECONDS, "an API process")
        return False

    def _take(self, http: httpx2.Client, method: str, url: str, body: dict[str, Any] | None) -> bool:
        """Read a connection to its end; whether the turn's end was in it."""
        headers = {"idempotency-key": self._key} if self._key and body else {}
        try:
            with http.stream(method, url, json=body, headers=headers) as answer:
                if answer.status_code == 503 and self._key:
                    time.sleep(_AGAIN_SECONDS)
                    return False
                if answer.status_code != 200:
                    answer.read()
                    raise AssertionError(f"{answer.status_code}: {answer.text}")
                self._read(answer)
        except httpx2.ConnectError:
            raise
        except httpx2.TransportError:
            if not self.events:
                raise
        return bool(self.events) and self.events[-1]["type"] in TERMINAL

    def _read(self, answer: httpx2.Response) -> None:
        ahead = b""
        for chunk in answer.iter_raw():
            *frames, ahead = (ahead + chunk).split(b"\n\n")
            events = [parse_frame(frame) for frame in frames if frame.startswith(b"event: ")]
            with self._grown:
                self.events += events
                self._grown.notify_all()


def accepts(url: str) -> bool:
    """Whether a process takes connections."""
    address = urlsplit(url)
    with contextlib.suppress(OSError), socket.create_connection((address.hostname, address.port), timeout=1):
        return True
    return False
