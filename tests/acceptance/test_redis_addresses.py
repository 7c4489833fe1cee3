"""Redis by TLS, by a socket, by Sentinel, and as a user of few rights: all clients of all processes get there."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from openai import OpenAI

from shared.cli import commands
from shared.cli.embedded_valkey import EmbeddedValkey, server_binary
from shared.cli.listener import free_port
from tests.acceptance.turns import answer, ended
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.tls_proxy import TlsProxy, certificate

RIGHTS = "~PREFIX:* &PREFIX:* +@all -@admin -@dangerous +info"


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:
            eventually(lambda: answers(client), 10)
        yield
    finally:
        process.kill()
        process.wait()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:  # which is a ConnectionError, too
        return True
    except redis.ConnectionError:
        return False


@pytest.fixture
def tls(own_valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[str]:
    """With an authority of one's own on both sides."""
    url = urlsplit(own_valkey.url)
    server, ours = certificate(tmp_path / "server.pem"), certificate(tmp_path / "client.pem")
    with TlsProxy(url.port or 0, server, ours) as proxy:
        yield (
            f"rediss://:{url.password}@127.0.0.1:{proxy.port}/3?ssl_ca_certs={server}&ssl_certfile={ours}"
            f"&ssl_keyfile={ours}&ssl_cert_reqs=CERT_REQUIRED"
        )


@pytest.fixture
def unix(tmp_path: Path) -> Iterator[str]:
    port, socket = free_port(), tmp_path / "redis.sock"
    file = tmp_path / "redis.conf"
    lines = (
        "bind 127.0.0.1",
        f"port {port}",
        f"unixsocket {socket}",
        f"dir {tmp_path}",
        'requirepass "wörd#1"',
        'save ""',
    )
    file.write_text("\n".join(lines))
    with running([server_binary(), str(file)], port):
        yield f"unix://:w%C3%B6rd%231@{socket}?db=2"


@pytest.fixture
def sentinel(own_valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[str]:
    url, port = urlsplit(own_valkey.url), free_port()
    file = tmp_path / "sentinel.conf"
    file.write_text(
        f"bind 127.0.0.1\nport {port}\ndir {tmp_path}\nsentinel monitor main 127.0.0.1 {url.port} 1\n"
        f"sentinel auth-pass main {url.password}\n"
    )
    with running([server_binary(), str(file), "--sentinel"], port):
        yield f"sentinel://:{url.password}@127.0.0.1:{port},127.0.0.1:{free_port()}/1?service_name=main"


@pytest.fixture
def limited(own_valkey: EmbeddedValkey) -> str:
    with redis.Redis.from_url(own_valkey.url) as client:
        rights = RIGHTS.replace("PREFIX", "few").split()
        client.execute_command("ACL", "SETUSER", "limited", "on", ">word", "resetkeys", "resetchannels", *rights)
    return f"redis://limited:word@127.0.0.1:{urlsplit(own_valkey.url).port}/4"


@pytest.mark.parametrize("place", ["tls", "unix", "sentinel", "limited"])
def test_turns_run_streamed_and_in_the_background(
    place: str, request: pytest.FixtureRequest, new_stack: Callable[..., Stack], upstream: ScriptedUpstream, topic: str
) -> None:
    url = request.getfixturevalue(place)
    upstream.script(topic, answer("Yes."))
    with new_stack(apis=1, redis_url=url, key_prefix="few", settings={"SWEEP_SECONDS": 60}) as stack:
        with OpenAI(base_url=stack.url(), api_key="unused", max_retries=0, timeout=20) as client:
            with client.responses.stream(model="m", input=topic) as stream:
                kinds = [event.type for event in stream]
            assert "response.output_text.delta" in kinds
            assert kinds[-1] == "response.completed"
            turn = client.responses.create(model="m", input=topic, background=True)
            assert ended(client, turn.id).output_text == "Yes."
        command = commands.turnstone_command("doctor")
        told = subprocess.run(command, env=stack.environment, capture_output=True, text=True, timeout=60, check=False)
        assert "worker-1@" in told.stdout, told.stdout + told.stderr + stack.log_text()[-3000:]
        assert "noperm" not in told.stdout.lower()
        assert "_failed" not in stack.log_text()
        assert "_lost" not in stack.log_text()
        for secret in ("wörd", "w%C3%B6rd", urlsplit(url).password or "-none-"):
            assert secret == "word" or secret not in stack.log_text() + told.stdout
