"""The doctor tells a way on which events arrive one by one from a way on which something holds them back."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator

import aiohttp
import httpx2
import pytest
from aiohttp import web

from shared import probe
from shared.cli import stream_check
from shared.cli.doctor_checks import Trouble
from shared.cli.listener import free_port
from tests.raw_http import RawStream
from tests.stack import Stack
from tests.tcp_proxy import TcpProxy


class HttpProxy:
    """Passes GETs on; pieces are sent once this many bytes have come, or at the end."""

    def __init__(self, target: str, buffer_bytes: int) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._target = target.removesuffix("/v1")
        self._buffer_bytes = buffer_bytes
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "HttpProxy":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", int(self.url.rsplit(":", 1)[1])).start()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        async with aiohttp.ClientSession() as session, session.get(self._target + request.path_qs) as answer:
            response = web.StreamResponse(status=answer.status)
            await response.prepare(request)
            held = b""
            async for piece in answer.content.iter_any():
                held += piece
                if len(held) > self._buffer_bytes:
                    await response.write(held)
                    held = b""
            await response.write(held)
            return response


@pytest.fixture(scope="module")
def stack(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    with new_stack(apis=1, workers=0, settings={"STREAMS_PER_OWNER": 1}) as running:
        yield running


def test_without_anything_in_between_they_arrive_one_by_one(stack: Stack) -> None:
    assert stream_check.check(stack.url()).startswith("arrive one by one")


def test_through_a_plain_proxy_they_arrive_one_by_one(stack: Stack) -> None:
    with HttpProxy(stack.url(), 0) as proxy, TcpProxy(stack.apis[0].port) as tcp:
        assert stream_check.check(f"{proxy.url}/v1/").startswith("arrive one by one")
        assert stream_check.check(tcp.url(stack.url())).startswith("arrive one by one")


@pytest.mark.parametrize("buffer_bytes", [200, 4096], ids=["half of it", "all of it"])
def test_what_a_buffering_proxy_does_is_told_with_advice(stack: Stack, buffer_bytes: int) -> None:
    with HttpProxy(stack.url(), buffer_bytes) as proxy, pytest.raises(Trouble, match="held back") as told:
        stream_check.check(proxy.url)
    assert "docs/deployment.md" in told.value.advice


def test_another_answer_is_told_as_what_it_is(stack: Stack) -> None:
    with pytest.raises(Trouble, match="answered 404"):
        stream_check.check(f"{stack.url()}/elsewhere")


def test_the_probe_is_a_stream_like_any(stack: Stack) -> None:
    address = stack.url().removesuffix("/v1")
    with RawStream.get(address, probe.PATH) as stream:
        assert stream.headers["cache-control"] == "no-cache, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        refused = httpx2.get(address + probe.PATH)
        assert (refused.status_code, refused.headers["retry-after"].isdigit()) == (429, True)
        frames = list(stream.raw_events())
    numbers = [json.loads(frame.split(b"data: ")[1])["sequence_number"] for frame in frames[:-1]]
    assert numbers == list(range(probe.EVENTS))
