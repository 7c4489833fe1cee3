"""Event streams over HTTP: framing, headers, heartbeats, and noticing at once that the client has left."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.stream_limits import Slot
from shared.core import sse_frame
from shared.stream.keys import Live

_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",  # a proxy that compresses holds back until it has enough
    "x-accel-buffering": "no",
}
_HEARTBEAT = b": keep-alive\n\n"
_DONE = b"data: [DONE]\n\n"

Batches = AsyncGenerator[Live | None, None]


async def plain(batches: Batches) -> AsyncGenerator[bytes, None]:
    """The stream as the official SDKs know it."""
    async for batch in batches:
        yield _HEARTBEAT if batch is None else batch.frames
    yield _DONE


async def with_ids(batches: Batches, retry_ms: int) -> AsyncGenerator[bytes, None]:
    """The stream with an `id:` line for each event, for readers that resume by `Last-Event-ID`."""
    yield b"retry: %d\n\n" % retry_ms
    async for batch in batches:
        yield _HEARTBEAT if batch is None else _numbered(batch)
    yield _DONE


def _numbered(batch: Live) -> bytes:
    frames = sse_frame.split(batch.frames)
    return b"".join(b"id: %d\n" % (batch.first + offset) + frame for offset, frame in enumerate(frames))


def runs_on() -> None:
    """For turns that do without their client."""


class EventStreamResponse(Response):
    """Sends pieces as they come; when the client leaves first, `on_disconnect` is called, before anything else.

    Breaks off when `until` is set: the reader resumes elsewhere.

    Starlette's own streaming response learns of a disconnect only when it sends; an idle stream must learn it too.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        slot: Slot,
        on_disconnect: Callable[[], None] = runs_on,
        until: asyncio.Event | None = None,
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._pieces = pieces
        self._slot = slot
        self._on_disconnect = on_disconnect
        self._until = until or asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Stream until the end or the disconnect, whichever comes first."""
        try:
            await deliver(self._send_all(send), wait_for_disconnect(receive), self._until, self._on_disconnect)
        finally:
            self._slot.let_go()
            await self._pieces.aclose()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def deliver(
    sending: Coroutine[Any, Any, None],
    leaving: Coroutine[Any, Any, object],
    until: asyncio.Event,
    on_disconnect: Callable[[], None],
) -> None:
    """Run `sending` to its end, or until `leaving` or `until` comes; calls `on_disconnect` when the client left first.

    Before `sending` is stopped: a reader that is told to stop may have to wait for Redis.
    """
    sent, left, over = (asyncio.create_task(one) for one in (sending, leaving, until.wait()))
    try:
        await asyncio.wait({sent, left, over}, return_when=asyncio.FIRST_COMPLETED)
        if sent.done():
            await sent
        elif left.done():
            on_disconnect()
    except asyncio.CancelledError:
        pass  # the server is going down: the client resumes elsewhere, and its turn is not cancelled
    finally:
        await stop(sent, left, over)


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has left; call it only after the request's body was read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks whose results nobody wants any more, and wait until they are gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
