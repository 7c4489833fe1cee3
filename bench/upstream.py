"""A model server that costs next to nothing: `python -m bench.upstream --port N`.

It speaks streamed Chat Completions. A marker in the user's text says what to answer, the last one wins:
`[[n=200 r=20]]` is 200 chunks at 20 a second; r=0 is as fast as possible, in writes of 4 chunks.
Each chunk's text is `@<number>:<CLOCK_MONOTONIC in ns>;`, taken as it is written.
"""

import argparse
import asyncio
import re
import time
from typing import cast

import uvloop

CHUNKS_PER_WRITE = 4

_MARKER = re.compile(rb"\[\[n=(\d+) r=(\d+(?:\.\d+)?)\]\]")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


_HEAD = b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench",'


def _http_chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _event(delta: bytes, rest: bytes = b'"finish_reason":null}]') -> bytes:
    return _HEAD + b'"choices":[{"index":0,"delta":' + delta + b"," + rest + b"}\n\n"


# Numbers and times have a fixed width, so that one template with one length serves all chunks.
_FIRST_DELTA = b'{"content":"@%06d:%019d;"}'
_DELTA = b"%x\r\n" % (len(_event(_FIRST_DELTA % (0, 0)))) + _event(_FIRST_DELTA) + b"\r\n"
_OPENING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + _http_chunk(
    _event(b'{"role":"assistant","content":""}')
)
_FINISH = _http_chunk(_event(b"{}", b'"finish_reason":"stop"}]'))
_USAGE = _HEAD + b'"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":%d,"total_tokens":%d}}\n\n'
_END = _http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
_MODELS_BODY = b'{"object":"list","data":[{"id":"bench","object":"model","created":0,"owned_by":"bench"}]}'
_MODELS = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_MODELS_BODY)


class ModelServer(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._wanted = self._sent = 0
        self._pause_seconds = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Stop answering: the reader has left."""
        if self._timer:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """Wait for a slow reader."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        if self._sent < self._wanted and not self._pause_seconds:
            self._burst()

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        if head.startswith(b"GET "):
            self._transport.write(_MODELS + _MODELS_BODY)
        else:
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        count, rate = _MARKER.findall(body)[-1]
        self._wanted, self._sent = int(count), 0
        self._pause_seconds = 1 / float(rate) if float(rate) else 0.0
        self._transport.write(_OPENING)
        self._due = self._loop.time()
        if self._pause_seconds:
            self._tick()
        else:
            self._burst()

    def _tick(self) -> None:
        self._transport.write(self._next())
        if self._sent < self._wanted:
            self._due += self._pause_seconds
            self._timer = self._loop.call_at(self._due, self._tick)
        else:
            self._finish()

    def _burst(self) -> None:
        self._transport.write(b"".join(self._next() for _ in range(min(CHUNKS_PER_WRITE, self._wanted - self._sent))))
        if self._sent == self._wanted:
            self._finish()
        elif not self._paused:
            self._timer = self._loop.call_soon(self._burst)

    def _next(self) -> bytes:
        self._sent += 1
        return _DELTA % (self._sent - 1, time.monotonic_ns())

    def _finish(self) -> None:
        usage = _http_chunk(_USAGE % (self._wanted, self._wanted + 10))
        self._transport.write(_FINISH + usage + _END)


async def serve(port: int) -> None:
    """Serve on loopback for ever."""
    server = await asyncio.get_running_loop().create_server(ModelServer, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The model server of the measurements.")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
