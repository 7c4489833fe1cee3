"""Behind each proxy whose configuration we ship, the service is what it is without one."""

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

from shared.cli import stream_check
from shared.cli.listener import free_port
from tests.acceptance.conftest import MAX_BODY_BYTES, REQUEST_SECONDS
from tests.acceptance.turns import answer, script_gated
from tests.eventually import eventually
from tests.raw_http import RawStream
from tests.raw_websocket import RawSocket
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack

OPS = Path(__file__).parents[2] / "ops"
PATH = f"{os.environ.get('PATH')}:/usr/sbin:/opt/homebrew/bin"
CLOSE_SECONDS = 2.0


def nginx(port: int, apis: list[int], directory: Path) -> list[str]:
    """What we ship, on this port, with these processes in place of the name that compose resolves, in an nginx.conf."""
    shipped = (OPS / "nginx" / "turnstone.conf").read_text().replace("listen 8080;", f"listen 127.0.0.1:{port};")
    servers = " ".join(f"server 127.0.0.1:{api};" for api in apis)
    files = " ".join(f"{name}_temp_path {directory};" for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
    here = f"daemon off; pid {directory}/pid; error_log {directory}/error.log; events {{}}"
    file = directory / "nginx.conf"
    file.write_text(f"{here} http {{ {files} upstream apis {{ {servers} }}\n{shipped.replace('api:8000;', 'apis;')} }}")
    return ["-p", str(directory), "-c", str(file), "-e", str(directory / "error.log")]


def haproxy(port: int, apis: list[int], directory: Path) -> list[str]:
    """The file we ship, with these ports."""
    file = directory / "haproxy.cfg"
    file.write_text(_with_ports(OPS / "haproxy" / "turnstone.cfg", port, apis))
    return ["-db", "-f", str(file)]


def caddy(port: int, apis: list[int], directory: Path) -> list[str]:
    """The file we ship, with these ports, and no port of its own for commands."""
    file = directory / "Caddyfile"
    file.write_text("{\nadmin off\n}\n" + _with_ports(OPS / "caddy" / "Caddyfile", port, apis))
    return ["run", "--config", str(file), "--adapter", "caddyfile"]


PROXIES = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}


def _with_ports(file: Path, port: int, apis: list[int]) -> str:
    text = file.read_text().replace(":8080", f":{port}")
    for shipped, api in zip((8001, 8002), apis, strict=True):
        text = text.replace(f"127.0.0.1:{shipped}", f"127.0.0.1:{api}")
    return text


@pytest.fixture(scope="module")
def stack(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """Two API processes."""
    with new_stack(settings={"MAX_BODY_BYTES": MAX_BODY_BYTES}) as running:
        yield running


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL behind the proxy."""
    binary = shutil.which(request.param, path=PATH)
    if binary is None:
        pytest.skip(f"no {request.param} here")
    directory, port = tmp_path_factory.mktemp("proxy"), free_port()
    arguments = PROXIES[request.param](port, [api.port for api in stack.apis], directory)
    environment = os.environ | {"HOME": str(directory), "XDG_DATA_HOME": str(directory)}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([binary, *arguments], env=environment, stdout=log, stderr=log)
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


def test_the_doctor_sees_that_nothing_is_held_back(proxy: str) -> None:
    """It asks as browsers do, for a compressed answer if there is one."""
    assert stream_check.check(proxy).startswith("arrive one by one")


def test_a_websocket_comes_through(proxy: str, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer("Yes."))
    with RawSocket(proxy) as connected:
        assert [connected.ask(input=topic)["type"] for _ in range(2)] == ["response.completed"] * 2


def test_a_body_up_to_the_limit_comes_through_and_the_api_refuses_the_rest(
    proxy: str, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, answer("Yes."))
    # What is watched on the wire is not compressed, although Caddy would.
    plain = {"Accept-Encoding": "identity"}
    with OpenAI(base_url=proxy, api_key="unused", max_retries=0, default_headers=plain) as client:
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


def test_when_an_api_process_dies_the_other_gets_its_requests(
    proxy: str, stack: Stack, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["proxy"] == "caddy":
        pytest.skip("before its issue 7546 was mended, Caddy answers 502 to requests with a body")
    stack.apis[0].kill()
    try:
        answers = [httpx2.get(f"{proxy}/responses", timeout=REQUEST_SECONDS).status_code for _ in range(6)]
        posted = [httpx2.post(f"{proxy}/conversations", json={}, timeout=REQUEST_SECONDS).status_code for _ in range(6)]
    finally:
        stack.apis[0].start()
        stack.apis[0].wait_ready()
    assert set(answers + posted) == {200}
