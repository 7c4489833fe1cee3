"""Ends a stream that has gone quiet."""

import asyncio
from types import TracebackType
from typing import Self

import aiohttp


class SilenceWatch:
    """Reads a body, and lets a read fail with TimeoutError once it has waited for `seconds`.

    One timer serves the whole stream: `asyncio.timeout` around each read costs half as much again as the read
    itself. Time the reader spends elsewhere, with what it was given, is not the upstream's silence.
    """

    def __init__(self, content: aiohttp.StreamReader, seconds: float) -> None:
        self._content = content
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._timer = self._loop.call_later(self._seconds, self._look)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def read(self) -> bytes:
        """What has arrived by now, or the next bytes to arrive; empty at the end."""
        self._waiting_since = self._loop.time()
        try:
            return await self._content.readany()
        finally:
            self._waiting_since = None

    def _look(self) -> None:
        now = self._loop.time()
        deadline = (now if self._waiting_since is None else self._waiting_since) + self._seconds
        if deadline <= now:
            self._content.set_exception(TimeoutError())
        else:
            self._timer = self._loop.call_at(deadline, self._look)
