"""A receiver of webhooks that answers as it is told: real HTTP, in a thread of its own.

with Receiver() as receiver:
    receiver.answer("/hook", 500, SILENCE)    # the next calls at that path, then 204
    receiver.wait_for(3, "/hook")             # the calls there, as soon as there are three
"""

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import orjson

SILENCE = 0
"""No answer until the receiver is closed."""

_DEADLINE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Received:
    """One call."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return orjson.loads(self.body)


class Receiver:
    """The receiver; `url(path)` is where it is called."""

    def __init__(self) -> None:
        self.calls: list[Received] = []
        self._answers: defaultdict[str, list[int]] = defaultdict(list)
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def answer(self, path: str, *statuses: int) -> None:
        """Answer the next calls at this path with these, and later ones with 204 again."""
        self._answers[path] += statuses

    def at(self, path: str) -> list[Received]:
        """The calls at this path so far."""
        with self._changed:
            return [call for call in self.calls if call.path == path]

    def wait_for(self, count: int, path: str, seconds: float = _DEADLINE_SECONDS) -> list[Received]:
        """The calls at this path, as soon as there are so many."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.at(path)) >= count, seconds):
                raise TimeoutError(f"{len(self.at(path))} calls of {count} after {seconds} s")
        return self.at(path)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, call: Received) -> int:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        answers = self._answers[call.path]
        return answers.pop(0) if answers else 204

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver._take(Received(self.path, dict(self.headers.items()), body))
                if status == SILENCE:
                    receiver._closing.wait()
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", receiver.url("/followed"))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
