"""While every core is busy, readers hear of ends in any order: live, from the row, from the journal.

Each stream, stored or not, over HTTP or a WebSocket, in the foreground or not, is whole all the same (G13, G16).
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.acceptance.turns import answer
from tests.raw_http import RawStream
from tests.raw_websocket import RawSocket
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.stream_rules import check_stream
from tests.upstream_steps import Step, ToolPiece

CLIENTS = 8
SHORT = int(os.environ.get("LOAD_STREAMS", "300"))
LONG = 20_000

ANSWERS: dict[str, list[Step]] = {
    "text": answer("Three ", "small ", "pieces."),
    "call": answer(
        "Let me ",
        "look.",
        ToolPiece('{"q":', id="call_1", name="look_up"),
        ToolPiece('"x"}'),
        finish="tool_calls",
    ),
}
UNSTORED, STORED, BACKGROUND = {"store": False}, {"store": True}, {"background": True}
WAYS: list[tuple[str, dict[str, bool], str]] = [
    ("http", UNSTORED, "text"),
    ("websocket", UNSTORED, "call"),
    ("http", STORED, "text"),
    ("http", UNSTORED, "call"),
    ("websocket", UNSTORED, "text"),
    ("http", BACKGROUND, "call"),
    ("websocket", STORED, "text"),
    ("websocket", BACKGROUND, "call"),
]


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param(SHORT, marks=pytest.mark.timeout(120 + SHORT)),
        pytest.param(LONG, marks=[pytest.mark.release, pytest.mark.timeout(2 * 3600)]),
    ],
)
def test_every_stream_is_whole_while_every_core_is_busy(
    stack: Stack, upstream: ScriptedUpstream, topic: str, streams: int
) -> None:
    for kind, steps in ANSWERS.items():
        upstream.script(f"{topic} {kind}", steps)
    read = partial(broken_streams, stack, topic, streams // CLIENTS)
    with busy_cores(), ThreadPoolExecutor(CLIENTS) as clients:
        broken = [fault for found in clients.map(read, range(CLIENTS)) for fault in found]
    assert not broken, f"{len(broken)} of {streams} streams: {Counter(broken).most_common()}"


@contextmanager
def busy_cores() -> Iterator[None]:
    """A process that never pauses for each core."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def broken_streams(stack: Stack, topic: str, streams: int, client: int) -> list[str]:
    """Read so many streams, one after the other, each another way; what is wrong with those that are broken."""
    broken = []
    url = stack.url(client % len(stack.apis))
    with RawSocket(url) as socket:
        for number in range(client, client + streams):
            carrier, fields, kind = WAYS[number % len(WAYS)]
            asked = {"model": "m", "input": f"{topic} {kind}", "stream": True, **fields}
            try:
                events = over_websocket(socket, asked) if carrier == "websocket" else over_http(url, asked)
                check_stream(events)
                assert events[-1]["type"] == "response.completed"
            except AssertionError as fault:
                broken.append(f"{carrier}, {fields}, {kind}: {str(fault).splitlines()[0]}")
    return broken


def over_http(url: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    with RawStream.post(url, "/responses", asked) as stream:
        return list(stream.events())


def over_websocket(socket: RawSocket, asked: dict[str, Any]) -> list[dict[str, Any]]:
    socket.create(**asked)
    return socket.turn()
