"""A TCP proxy between two parts, to do to their connections what networks do.

with TcpProxy(6379) as proxy:
    proxy.url(redis_url)     # the same address, through the proxy
    proxy.refuse()           # connections are reset, new ones refused
    proxy.blackhole()        # bytes are taken and held back, on connections old and new
    proxy.strand()           # the connections of now hear nothing any more, nor of their end; new ones are as ever
    proxy.reset_after(1000)  # each connection breaks once the server has sent so many more bytes on it
    proxy.slow(0.05)         # each piece from the server waits so long
    proxy.slice(1)           # the server's bytes come one by one
    proxy.answer(b"-NO")     # the server is asked nothing: each of Redis' commands gets this line
    proxy.lead_to(6380)      # new connections go there; those of now stay
    proxy.pass_on()          # as if nothing had been; what was held back arrives
"""

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

_PIECE_BYTES = 65_536
_DEADLINE_SECONDS = 10.0
# The beginning of a Redis command.
_COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n[A-Za-z]")
# An abortive close: the peer gets a reset, not an end.
_LINGER = struct.pack("ii", 1, 0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TcpProxy:
    """Listens on a loopback port of its own. `target` is a port on loopback, or the path of a Unix socket."""

    def __init__(self, target: Path | int) -> None:
        self.port = 0
        self._target = target
        self._delay_seconds = 0.0
        self._slice_bytes = _PIECE_BYTES
        self._bytes_left: int | None = None
        self._answer: bytes | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.pass_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_DEADLINE_SECONDS)
        self._loop.close()

    def url(self, url: str) -> str:
        """`url` with the proxy in the place of its host and port."""
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}{at}127.0.0.1:{self.port}").geturl()

    def refuse(self) -> None:
        """Reset every connection and take no new ones."""
        self._call(self._refuse())

    def blackhole(self) -> None:
        """Hold back every byte from now on."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def strand(self) -> None:
        """Hold back for ever what the connections of now would carry."""
        self._call(self._strand())

    def answer(self, line: bytes) -> None:
        """Answer each command oneself."""
        self._answer = line + b"\r\n"

    def lead_to(self, target: Path | int) -> None:
        """Serve new connections there."""
        self._target = target

    def pass_on(self) -> None:
        """Let everything through, as it is."""
        self._answer = None
        self._delay_seconds, self._slice_bytes, self._bytes_left = 0.0, _PIECE_BYTES, None
        self._call(self._pass_on())

    def reset_after(self, count: int) -> None:
        """Break each new connection once the server has sent `count` bytes on it."""
        self._bytes_left = count

    def slow(self, seconds: float) -> None:
        """Delay each piece from the server."""
        self._delay_seconds = seconds

    def slice(self, count: int) -> None:
        """Let the server's bytes arrive in slices of `count`."""
        self._slice_bytes = count

    # -- on the proxy's loop --------------------------------------------------------------------------------

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_DEADLINE_SECONDS)

    async def _pass_on(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        self._flowing.set()

    async def _strand(self) -> None:
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)

    async def _stop(self) -> None:
        await self._refuse()
        links = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in links:
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client: two pumps, until one of them ends."""
        self._writers.add(writer)
        server_writer = None
        try:
            flowing = self._flowing
            await flowing.wait()
            server_reader, server_writer = await self._connect()
            pumps = [
                asyncio.create_task(self._to_server(reader, server_writer, flowing, writer)),
                asyncio.create_task(self._to_client(server_reader, writer, flowing)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the server is gone: so is its client
        finally:
            self._writers.discard(writer)
            for one in filter(None, (writer, server_writer)):
                _reset(one)

    async def _connect(self) -> Streams:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _to_server(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flowing: asyncio.Event,
        client: asyncio.StreamWriter,
    ) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            await flowing.wait()
            if self._answer is not None:
                client.write(self._answer * len(_COMMAND.findall(piece)))
                continue
            writer.write(piece)
            await writer.drain()

    async def _to_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        left = self._bytes_left
        while (left is None or left > 0) and (piece := await reader.read(self._slice_bytes)):
            await asyncio.sleep(self._delay_seconds)
            await flowing.wait()
            writer.write(piece[:left])
            await writer.drain()
            left = None if left is None else left - len(piece)


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()
