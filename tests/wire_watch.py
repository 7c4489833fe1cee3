"""Reads along: what our routes answer any HTTP or WebSocket client here is held against the SDK's types (`wire_types`),
and each stream against the rules of streams (`stream_rules`), as far as its client reads it.

Faults are collected, not raised: a client may take an error for a lost connection and go on.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import httpx2
import pytest
from websockets.sync.connection import Connection

from tests.stream_rules import StreamRules
from tests.wire_types import body_faults, event_faults, message_faults

_ROUTES = ("/v1/responses", "/v1/conversations", "/v1/models", "/v1/webhook_")


class RulesOfOneStream:
    """The rules of a stream that may begin anywhere; what is broken is a fault, told once."""

    def __init__(self, faults: list[str]) -> None:
        self._faults = faults
        self._rules: StreamRules | None = None
        self._broken = False

    def take(self, event: dict[str, Any]) -> None:
        if self._broken or "sequence_number" not in event or event["type"].startswith("response.steer."):
            return
        if self._rules is None or event["type"] == "response.created":
            self._rules = StreamRules(whole=event["sequence_number"] == 0)
        try:
            self._rules.take(event)
        except AssertionError as broken:
            self._broken = True
            self._faults.append(f"{event['type']} number {event['sequence_number']}: {broken}")


class Reading:
    """One answer, read piece by piece."""

    def __init__(self, request: httpx2.Request, response: httpx2.Response, faults: list[str]) -> None:
        self._request = request
        self._status = response.status_code
        self._kind = response.headers.get("content-type", "").partition(";")[0]
        self._faults = faults
        self._unread = b""
        self._stream = RulesOfOneStream(faults)

    def feed(self, piece: bytes) -> None:
        self._unread += piece
        if self._kind == "text/event-stream":
            *frames, self._unread = self._unread.split(b"\n\n")
            for frame in frames:
                self._read_frame(frame)

    def end(self) -> None:
        """The whole body was read."""
        if self._kind == "application/json":
            path = self._request.url.path.removeprefix("/v1")
            self._faults += body_faults(self._request.method, path, self._status, json.loads(self._unread))

    def _read_frame(self, frame: bytes) -> None:
        for line in frame.split(b"\n"):
            if line.startswith(b"data: ") and line != b"data: [DONE]":
                event = json.loads(line.removeprefix(b"data: "))
                self._faults += event_faults(event)
                self._stream.take(event)


class WatchedStream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body on its way to the client."""

    def __init__(self, stream: httpx2.SyncByteStream | httpx2.AsyncByteStream, reading: Reading) -> None:
        self._stream = stream
        self._reading = reading

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._reading.feed(piece)
            yield piece
        self._reading.end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._reading.feed(piece)
            yield piece
        self._reading.end()

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Read along from now on; the faults found."""
    faults: list[str] = []
    _watch_http(monkeypatch, faults)
    _watch_websockets(monkeypatch, faults)
    return faults


def _watch_http(monkeypatch: pytest.MonkeyPatch, faults: list[str]) -> None:
    handle, handle_async = httpx2.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request

    def watched(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        if request.url.path.startswith(_ROUTES):
            response.stream = WatchedStream(response.stream, Reading(request, response, faults))
        return response

    def handle_request(transport: httpx2.HTTPTransport, request: httpx2.Request) -> httpx2.Response:
        return watched(request, handle(transport, request))

    async def handle_async_request(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        return watched(request, await handle_async(transport, request))

    monkeypatch.setattr(httpx2.HTTPTransport, "handle_request", handle_request)
    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", handle_async_request)


def _watch_websockets(monkeypatch: pytest.MonkeyPatch, faults: list[str]) -> None:
    receive = Connection.recv
    streams: WeakKeyDictionary[Connection, dict[str | None, RulesOfOneStream]] = WeakKeyDictionary()

    def recv(connection: Connection, *arguments: Any, **named: Any) -> Any:
        message = receive(connection, *arguments, **named)
        event = json.loads(message)
        faults.extend(message_faults(event))
        lanes = streams.setdefault(connection, {})
        lanes.setdefault(event.get("stream_id"), RulesOfOneStream(faults)).take(event)
        return message

    monkeypatch.setattr(Connection, "recv", recv)
