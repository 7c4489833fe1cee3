"""Reading along: a wrong body or event is noticed whichever client reads it, and what it reads is not changed."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from openai import AsyncOpenAI, OpenAI
from websockets.sync.server import ServerConnection, serve

from tests.wire_watch import watch

BODY = json.dumps({"id": "resp_1", "object": "response"}).encode()
STREAM = b'event: made.up\ndata: {"type": "made.up"}\n\n: comment\n\ndata: [DONE]\n\n'


class WrongServer(BaseHTTPRequestHandler):
    """Answers a GET with a body, a POST with a stream, neither of them right."""

    def do_GET(self) -> None:
        self._answer("application/json", BODY)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer("text/event-stream; charset=utf-8", STREAM)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def wrong() -> Iterator[str]:
    """The base URL of a server that is always wrong."""
    with ThreadingHTTPServer(("127.0.0.1", 0), WrongServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return watch(monkeypatch)


def test_plain_http(wrong: str, faults: list[str]) -> None:
    assert httpx2.get(f"{wrong}/responses/resp_1").content == BODY
    assert "GET /responses/ID 200.model: Field required" in " ".join(faults)
    faults.clear()
    assert httpx2.post(f"{wrong}/responses", json={}).content == STREAM
    assert faults == ["made.up: no such event"]


def test_the_sdk(wrong: str, faults: list[str]) -> None:
    with OpenAI(base_url=wrong, api_key="none", max_retries=0) as client:
        assert client.responses.retrieve("resp_1").id == "resp_1"
        assert len(faults) > 1
        faults.clear()
        with client.responses.create(model="m", input="x", stream=True) as stream:
            assert [event.type for event in stream] == ["made.up"]
    assert faults == ["made.up: no such event"]


def test_the_async_sdk(wrong: str, faults: list[str]) -> None:
    async def scenario() -> None:
        async with AsyncOpenAI(base_url=wrong, api_key="none", max_retries=0) as client:
            assert (await client.responses.retrieve("resp_1")).id == "resp_1"
            assert len(faults) > 1
            faults.clear()
            stream = await client.responses.create(model="m", input="x", stream=True)
            assert [event.type async for event in stream] == ["made.up"]

    asyncio.run(scenario())
    assert faults == ["made.up: no such event"]


def test_the_sdk_over_a_websocket(faults: list[str]) -> None:
    def answer(connection: ServerConnection) -> None:
        connection.send(json.dumps({"type": "made.up"}))

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        with OpenAI(base_url=address, api_key="none") as client, client.responses.connect() as connection:
            assert connection.recv().type == "made.up"
        server.shutdown()
        thread.join()
    assert faults == ["made.up: no such event"]
