"""G18: who reads slowly, or not at all, costs bounded memory, delays nobody, and misses nothing once it reads."""

import json
import socket
from urllib.parse import urlsplit

import psutil

from tests.acceptance.turns import answer
from tests.raw_http import RawStream, numbers, request_bytes, text_of
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Gate

PIECES = 600
PIECE = "x" * 32_768
READERS = 8
MOST_GROWTH_BYTES = 90 * 1024 * 1024


def test_readers_that_read_nothing_hold_up_nobody_and_get_everything_later(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    """Twenty megabytes for each of eight: an API process that kept them would grow by a hundred and sixty."""
    upstream.script(topic, answer(*[PIECE] * PIECES, Gate(topic)))
    api = psutil.Process(stack.apis[0].pid)
    before = api.memory_info().rss
    body = {"model": "m", "input": topic, "background": True, "stream": True}
    with RawStream.post(stack.url(), "/responses", body) as reader:
        events = [reader.next_event()]
        sleepers = [silent_reader(stack, events[0]["response"]["id"]) for _ in range(READERS)]
        said = 0
        while said < PIECES * len(PIECE):
            events.append(reader.next_event())
            said += len(text_of(events[-1:]))
        growth = api.memory_info().rss - before
        upstream.open(topic)
        events += list(reader.events())
    told = [everything(sleeper) for sleeper in sleepers]
    for frames in told:
        assert numbers(frames) == list(range(len(events)))
        assert frames[-1] == events[-1]
    assert growth < MOST_GROWTH_BYTES


def silent_reader(stack: Stack, response_id: str) -> socket.socket:
    """A connection that has asked for the stream, with room for next to nothing, and does not read."""
    address = urlsplit(stack.url())
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect((address.hostname, address.port))
    connection.sendall(request_bytes(stack.url(), "GET", f"/responses/{response_id}?stream=true", b""))
    return connection


def everything(connection: socket.socket) -> list[dict[str, object]]:
    """Read to the end of the stream; its events."""
    received = bytearray()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    with connection:
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += connection.recv(1 << 20)
    text = b"".join(_chunks(bytes(received)))
    return [json.loads(frame.partition(b"\ndata: ")[2]) for frame in text.split(b"\n\n") if frame[:6] == b"event:"]


def _chunks(received: bytes) -> list[bytes]:
    at = received.index(b"\r\n\r\n") + 4
    chunks = []
    while at < len(received):
        head_end = received.index(b"\r\n", at)
        start, size = head_end + 2, int(received[at:head_end], 16)
        chunks.append(received[start : start + size])
        at = start + size + 2
    return chunks
