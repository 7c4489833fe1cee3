"""The server's side of a WebSocket, where clients misbehave (G18)."""

import asyncio
import base64
from collections.abc import AsyncGenerator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from api.websocket_protocol import MOST_BYTES, WebSocketProtocol
from tests.eventually import eventually_async

pytestmark = pytest.mark.anyio

PING_SECONDS = 0.05
DEADLINE_SECONDS = 10


class Talker:
    """An application that sends without end, and notes when it is told that the client is gone."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope["state"][MOST_BYTES] = 1000
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        sending = asyncio.create_task(self._send_for_ever(send))
        self.told.append((await receive())["type"])
        await asyncio.wait({sending})
        self.told.append(type(sending.exception()).__name__)

    async def _send_for_ever(self, send: Send) -> None:
        while True:
            await send({"type": "websocket.send", "text": "x" * 65536})


@pytest.fixture
def talker() -> Talker:
    return Talker()


@pytest.fixture
async def port(talker: Talker) -> AsyncGenerator[int, None]:
    config = uvicorn.Config(
        talker,
        port=0,
        ws=WebSocketProtocol,
        log_level="critical",
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())

    async def started() -> bool:
        return server.started

    await eventually_async(started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = server.force_exit = True
    await serving


async def test_who_neither_reads_nor_answers_is_cut_off(talker: Talker, port: int) -> None:
    """Otherwise what is unsent would be kept until the peer's machine goes down."""
    _reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    key = base64.b64encode(b"k" * 16).decode()
    head = ("GET / HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}")
    writer.write("\r\n".join([*head, "Sec-WebSocket-Version: 13", "", ""]).encode())

    async def cut_off() -> bool:
        return talker.told == ["websocket.disconnect", "ClientDisconnected"]

    try:
        await eventually_async(cut_off)
    finally:
        writer.transport.abort()
