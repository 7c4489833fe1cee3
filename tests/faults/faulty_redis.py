"""A Valkey to do harm to; it keeps its port, and forgets everything when it is killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from shared.cli.embedded_valkey import EmbeddedValkey


class FaultyRedis:
    """What can happen to a Redis."""

    def __init__(self, server: EmbeddedValkey) -> None:
        self._server = server
        self.url = server.url

    @contextmanager
    def away(self, how: str) -> Iterator[None]:
        """For the length of the block, `killed` or `paused`; `flushed` is over before it begins."""
        if how == "killed":
            self._signal(signal.SIGKILL)
            self._server.stop()
        elif how == "paused":
            self._signal(signal.SIGSTOP)
        else:
            self.flush()
        try:
            yield
        finally:
            self.back(how)

    def back(self, how: str) -> None:
        if how == "killed":
            self._server.start()
        elif how == "paused":
            self._signal(signal.SIGCONT)

    def flush(self) -> None:
        with Redis.from_url(self.url) as client:
            client.flushall()

    def _signal(self, number: signal.Signals) -> None:
        assert self._server._process is not None
        os.kill(self._server._process.pid, number)
