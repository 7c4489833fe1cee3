"""An API process with few file descriptors refuses streams and connections before it has none left."""

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psutil
import pytest

from shared.cli.listener import free_port
from tests.acceptance.turns import script_gated
from tests.raw_http import RawStream
from tests.raw_websocket import RawSocket
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.up import Up

SOFT, HARD = 128, 256
HARD_OF_UP = 4096
IDLE = 1000


@pytest.fixture(scope="module")
def narrow(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """One API process and its worker, started with few descriptors; this test's own has as many as it may."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    stack = new_stack(apis=1)
    prefix = ["prlimit", f"--nofile={SOFT}:{HARD}"]
    for process in stack.processes:
        process._command = [*prefix, *process._command]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 8192), before[1]))
    try:
        with stack:
            yield stack
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def assert_all_else_works(stack: Stack, topic: str) -> None:
    address = stack.url().removesuffix("/v1")
    for path in ("/healthz", "/readyz"):
        assert httpx2.get(f"{address}{path}", timeout=5).status_code == 200
    body = {"model": "m", "input": topic, "background": True}
    made = httpx2.post(f"{stack.url()}/responses", json=body, timeout=10)
    assert made.status_code == 200
    assert httpx2.get(f"{stack.url()}/responses/{made.json()['id']}", timeout=10).status_code == 200


def assert_refused(answer: RawStream) -> None:
    assert answer.status in (429, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"]["code"] in ("rate_limit_exceeded", "server_unavailable")


def test_the_soft_limit_is_raised_and_the_lack_is_told_once(narrow: Stack) -> None:
    for process in narrow.processes:
        assert psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE) == (HARD, HARD)
        assert process.said.count("too_few_file_descriptors") == 1
    metrics = httpx2.get(narrow.url().replace("/v1", "/metrics")).text
    assert "turnstone_missing_descriptors 1" in metrics


def test_streams_are_refused_while_all_else_works(narrow: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    body = {"model": "m", "input": topic, "background": True, "stream": True}
    with ExitStack() as streams:
        first = streams.enter_context(RawStream.post(narrow.url(), "/responses", body))
        path = f"/responses/{first.next_event()['response']['id']}?stream=true"
        count = 1
        while (stream := streams.enter_context(RawStream.get(narrow.url(), path))).status == 200:
            stream.next_event()
            count += 1
            assert count < HARD
        assert count > 20
        assert_refused(stream)
        with pytest.raises(Exception, match=r"429|503"):
            RawSocket(narrow.url())
        assert_all_else_works(narrow, topic)
    upstream.open(topic)


@pytest.mark.parametrize("said", [b"", b"GET /healthz HT"], ids=["nothing", "half a request"])
def test_idle_connections_keep_nobody_out(narrow: Stack, topic: str, said: bytes) -> None:
    with ExitStack() as idle:
        for _ in range(IDLE):
            connection = idle.enter_context(socket.create_connection(("127.0.0.1", narrow.apis[0].port), timeout=10))
            connection.sendall(said)
        assert_all_else_works(narrow, topic)
        assert psutil.Process(narrow.apis[0].pid).num_fds() < HARD
    assert narrow.apis[0].said.count("too_many_connections") == 1


def test_foreground_callers_are_refused_before_health_checks(
    narrow: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    body = {"model": "m", "input": topic, "background": False}
    request = httpx2.Request("POST", f"{narrow.url()}/responses", json=body)
    head = f"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: {len(request.content)}\r\n\r\n".encode()
    with ExitStack() as callers:
        refused = b""
        for _ in range(HARD):
            caller = callers.enter_context(socket.create_connection(("127.0.0.1", narrow.apis[0].port), timeout=10))
            caller.sendall(head + request.content)
            caller.settimeout(0.01)
            try:
                refused = caller.recv(4096)
                break
            except TimeoutError:
                continue
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"connection: close" in refused
        assert b"retry-after" in refused
        address = narrow.url().removesuffix("/v1")
        assert httpx2.get(f"{address}/healthz", timeout=5).status_code == 200
        assert httpx2.get(f"{address}/readyz", timeout=5).status_code == 200
    upstream.open(topic)


class NarrowUp(Up):
    """`turnstone up` of a shell with the usual soft limit."""

    @property
    def command(self) -> list[str]:
        return ["prlimit", f"--nofile=256:{HARD_OF_UP}", *super().command]


def test_up_raises_it_for_all_its_children(tmp_path: Path) -> None:
    up = NarrowUp(tmp_path, free_port(), {})
    up.start()
    try:
        limits = {name: psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE)[0] for name, pid in up.processes.items()}
    finally:
        up.process.terminate()
        up.process.wait(30)
    assert {"valkey", "worker-1", "api-1", "demo-upstream"} <= limits.keys()
    assert set(limits.values()) == {HARD_OF_UP}
