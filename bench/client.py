"""The smallest HTTP/1.1 client that can keep a connection alive and read streams as they come."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, cast

import httptools

Sink = Callable[[bytes, int], None]
"""Takes a piece of a body and the time at which it was received, in ns of CLOCK_MONOTONIC."""


class ConnectionLost(Exception):
    """The server hung up in the middle of an answer."""


class Connection(asyncio.Protocol):
    """One connection, one request at a time; open it with `connect`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._ended: asyncio.Future[None] | None = None
        self._received_at = 0
        self._sink: Sink | None = None
        self._body: list[bytes] = []

    async def request(self, method: str, path: str, body: Any = None, sink: Sink | None = None) -> tuple[int, bytes]:
        """Status and body; with a `sink`, the body of a 200 goes there as it comes."""
        assert self._transport
        payload = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        self._parser = httptools.HttpResponseParser(self)
        self._sink, self._body = sink, []
        self._ended = asyncio.get_running_loop().create_future()
        self._transport.write(f"{head}content-length: {len(payload)}\r\n\r\n".encode() + payload)
        await self._ended
        return self._parser.get_status_code(), b"".join(self._body)

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits."""
        if self._ended and not self._ended.done():
            self._ended.set_exception(ConnectionLost(str(exc)))

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls the methods below."""
        self._received_at = time.monotonic_ns()
        self._parser.feed_data(data)

    def on_body(self, piece: bytes) -> None:
        """Hand on or keep a piece of the body."""
        if self._sink and self._parser.get_status_code() == 200:
            self._sink(piece, self._received_at)
        else:
            self._body.append(piece)

    def on_message_complete(self) -> None:
        """End the request."""
        if self._ended and not self._ended.done():
            self._ended.set_result(None)


async def connect(port: int) -> Connection:
    """A connection to a loopback port."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection
