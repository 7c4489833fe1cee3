"""Behind the proxy whose configuration we ship, the service is what it is without one."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI

from shared.cli.listener import free_port
from tests.acceptance.conftest import MAX_BODY_BYTES, REQUEST_SECONDS
from tests.acceptance.turns import answer, script_gated
from tests.eventually import eventually
from tests.raw_http import RawStream
from tests.raw_websocket import RawSocket
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack

OPS = Path(__file__).parents[2] / "ops"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH')}:/usr/sbin:/opt/homebrew/bin")
CLOSE_SECONDS = 2.0

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx here")


def config(port: int, apis: list[int], directory: Path) -> str:
    """What we ship, on this port, with these processes in place of the name that compose resolves, in an nginx.conf."""
    shipped = (OPS / "nginx" / "turnstone.conf").read_text().replace("listen 8080;", f"listen 127.0.0.1:{port};")
    servers = " ".join(f"server 127.0.0.1:{api};" for api in apis)
    files = " ".join(f"{name}_temp_path {directory};" for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
    here = f"daemon off; pid {directory}/pid; error_log {directory}/error.log; events {{}}"
    return f"{here} http {{ {files} upstream apis {{ {servers} }}\n{shipped.replace('api:8000;', 'apis;')} }}"


@pytest.fixture(scope="module")
def stack(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """Two API processes."""
    with new_stack(settings={"MAX_BODY_BYTES": MAX_BODY_BYTES}) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL behind the proxy."""
    directory, port = tmp_path_factory.mktemp("proxy"), free_port()
    file, log = directory / "nginx.conf", directory / "error.log"
    file.write_text(config(port, [api.port for api in stack.apis], directory))
    process = subprocess.Popen([str(NGINX), "-p", directory, "-c", file, "-e", log])
    try:
        eventually(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(REQUEST_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_each_delta_comes_through_at_once(proxy: str, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    with RawStream.post(proxy, "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
        events = stream.events()
        # The model waits until somebody has read its first words.
        assert next(event["delta"] for event in events if event["type"].endswith("text.delta")) == "First. "
        upstream.open(topic)
        assert [event["type"] for event in events][-1] == "response.completed"


def test_a_websocket_comes_through(proxy: str, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer("Yes."))
    with RawSocket(proxy) as connected:
        assert [connected.ask(input=topic)["type"] for _ in range(2)] == ["response.completed"] * 2


def test_a_body_up_to_the_limit_comes_through_and_the_api_refuses_the_rest(
    proxy: str, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, answer("Yes."))
    with OpenAI(base_url=proxy, api_key="unused", max_retries=0) as client:
        most = MAX_BODY_BYTES - 10_000
        assert client.responses.create(model="m", input=topic.ljust(most, "x")).output_text == "Yes."
    body = {"model": "m", "input": "x" * MAX_BODY_BYTES}
    refused = httpx2.post(f"{proxy}/responses", json=body, timeout=REQUEST_SECONDS)
    assert refused.status_code == 413
    assert "error" in refused.json()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_client_that_leaves_ends_its_turn(proxy: str, upstream: ScriptedUpstream, topic: str, stream: bool) -> None:
    script_gated(upstream, topic)
    with pytest.raises(httpx2.TimeoutException):
        httpx2.post(f"{proxy}/responses", json={"model": "m", "input": topic, "stream": stream}, timeout=0.5).read()
    upstream.wait_at(topic).wait_closed_by_client(CLOSE_SECONDS)


def test_when_an_api_process_dies_the_other_gets_its_requests(proxy: str, stack: Stack) -> None:
    stack.apis[0].kill()
    try:
        answers = [httpx2.get(f"{proxy}/responses", timeout=REQUEST_SECONDS).status_code for _ in range(6)]
        posted = [httpx2.post(f"{proxy}/conversations", json={}, timeout=REQUEST_SECONDS).status_code for _ in range(6)]
    finally:
        stack.apis[0].start()
        stack.apis[0].wait_ready()
    assert set(answers + posted) == {200}
