"""S3: whatever a URL says and its name resolves to, no connection goes inside; a listener there would know."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Sequence

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from shared import outbound
from shared.core.outbound_address import Networks, networks_of
from shared.outbound import Outbound, Unreachable
from tests.hostile_urls import ADDRESSES_INSIDE, ODD_FORMS, literals

SECONDS = 2.0
LOOPBACK = networks_of("127.0.0.0/8")
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Listener:
    """Counts who connects, and says `answer` to whoever sends a whole request."""

    def __init__(self, address: str = "127.0.0.1", answer: bytes = OK, port: int = 0) -> None:
        self.hits = 0
        self.heard = b""
        self.port = port
        self._address, self._answer = address, answer
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Listener":
        self._server = await asyncio.start_server(self._serve, self._address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the transports close now

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hits += 1
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            self.heard = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"content-length: (\d+)", self.heard, re.I)
            self.heard += await reader.readexactly(int(size[1]) if size else 0)
            writer.write(self._answer)
            await reader.read()


class Resolver(AbstractResolver):
    """Knows every name, and answers each question with the next of these lists of addresses, at last the last."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.asked = 0
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [self._found(host, port, address) for address in addresses]

    async def close(self) -> None:
        pass

    @staticmethod
    def _found(host: str, port: int, address: str) -> ResolveResult:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}


def client(resolver: Resolver | None = None, networks: Networks = (), seconds: float = SECONDS) -> Outbound:
    return Outbound(networks, seconds, lambda: resolver or Resolver(["127.0.0.1"]))


async def reason(sent: Awaitable[int]) -> str:
    with pytest.raises(Unreachable) as unreachable:
        await sent
    return str(unreachable.value)


@pytest.fixture(params=[True, False], ids=["as it is", "if every URL were taken"])
def checked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The address is judged whatever the URL's form was judged to be."""
    if not request.param:
        monkeypatch.setattr(outbound, "refuse_unsafe", lambda *_: None)
    return bool(request.param)


def test_no_form_of_url_reaches_a_listener_inside(checked: bool) -> None:
    """All names lead to it; on both loopbacks, on the port that each URL names."""

    async def scenario() -> None:
        async with Listener() as canary, Listener("::1", port=canary.port) as canary_v6:
            forms = {form.replace("{port}", str(canary.port)) for form in (*ODD_FORMS, *literals())}
            assert len(forms) >= 60
            for url in forms:
                secure = url.replace("http://", "https://", 1)
                for form in {url, secure, secure.replace("https://", "http://", 1)}:
                    await reason(client().post(form, b"{}", {}))
            assert (canary.hits, canary_v6.hits) == (0, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize("address", ADDRESSES_INSIDE)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_public_name_of_an_address_inside_is_not_connected_to(address: str, scheme: str, checked: bool) -> None:
    async def scenario() -> None:
        assert await reason(client(Resolver([address])).post(f"{scheme}://example.com:8443/", b"", {})) in (
            "no_connection",
            "refused",
        )

    asyncio.run(scenario())


def test_a_name_is_resolved_once_and_that_address_is_connected_to() -> None:
    """Rebinding: the second answer would lead inside, and it is judged as well."""

    async def scenario() -> None:
        async with Listener("127.0.0.2") as receiver, Listener("127.0.0.1", port=receiver.port) as canary:
            resolver = Resolver(["127.0.0.2"], ["127.0.0.1"])
            outbound = client(resolver, networks_of("127.0.0.2/32"))
            url = f"http://example.com:{receiver.port}/"
            assert await outbound.post(url, b"{}", {}) == 204
            assert (resolver.asked, receiver.hits) == (1, 1)
            assert await reason(outbound.post(url, b"{}", {})) == "no_connection"
            assert (resolver.asked, receiver.hits, canary.hits) == (2, 1, 0)

    asyncio.run(scenario())


def test_of_several_addresses_the_one_inside_is_passed_over() -> None:
    async def scenario() -> None:
        async with Listener("127.0.0.2") as receiver, Listener("127.0.0.1", port=receiver.port) as canary:
            outbound = client(Resolver(["127.0.0.1", "127.0.0.2"]), networks_of("127.0.0.2/32"))
            assert await outbound.post(f"http://example.com:{receiver.port}/", b"{}", {}) == 204
            assert (receiver.hits, canary.hits) == (1, 0)

    asyncio.run(scenario())


def test_plain_http_goes_to_named_networks_only() -> None:
    """A public address, even if it is ours to test with, is spoken to over TLS."""

    async def scenario() -> None:
        resolver = Resolver(["8.8.8.8"])
        assert await reason(client(resolver, LOOPBACK).post("http://example.com:8080/", b"", {})) == "no_connection"
        assert resolver.asked == 1

    asyncio.run(scenario())


def test_a_redirect_is_an_answer() -> None:
    async def scenario() -> None:
        async with Listener("127.0.0.1") as canary:
            moved = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{canary.port}/\r\n\r\n".encode()
            async with Listener("127.0.0.2", moved) as receiver:
                url = f"http://127.0.0.2:{receiver.port}/"
                assert await client(networks=LOOPBACK).post(url, b"{}", {}) == 307
                assert (receiver.hits, canary.hits) == (1, 0)

    asyncio.run(scenario())


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with Listener("127.0.0.1") as proxy, Listener("127.0.0.2") as receiver:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert await client(networks=LOOPBACK).post(f"http://127.0.0.2:{receiver.port}/", b"", {}) == 204
            assert proxy.hits == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "timeout"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3, "timeout"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "no_connection"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", "no_connection"),
    ],
    ids=["silence", "only informational", "another protocol", "a header without end"],
)
def test_a_receiver_that_does_not_answer_is_let_go(answer: bytes, said: str) -> None:
    async def scenario() -> None:
        async with Listener("127.0.0.1", answer) as receiver:
            outbound = client(networks=LOOPBACK, seconds=0.3)
            assert await reason(outbound.post(f"http://127.0.0.1:{receiver.port}/", b"{}", {})) == said

    asyncio.run(scenario())


def test_a_body_without_end_is_not_read() -> None:
    async def scenario() -> None:
        endless = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000000000000\r\n\r\n" + b"x" * 65536
        async with Listener("127.0.0.1", endless) as receiver:
            assert await client(networks=LOOPBACK).post(f"http://127.0.0.1:{receiver.port}/", b"{}", {}) == 200

    asyncio.run(scenario())


def test_nobody_listens() -> None:
    async def scenario() -> None:
        async with Listener() as gone:
            pass
        assert (
            await reason(client(networks=LOOPBACK).post(f"http://127.0.0.1:{gone.port}/", b"", {})) == "no_connection"
        )

    asyncio.run(scenario())


def test_what_is_sent_is_what_was_given() -> None:
    async def scenario() -> None:
        async with Listener() as receiver:
            url = f"http://127.0.0.1:{receiver.port}/a%20b?c=%2F"
            await client(networks=LOOPBACK).post(url, b'{"a":1}', {"webhook-id": "wh_1"})
            head, _, body = receiver.heard.partition(b"\r\n\r\n")
            assert head.startswith(b"POST /a%20b?c=%2F HTTP/1.1\r\n")
            assert b"webhook-id: wh_1" in head
            assert body == b'{"a":1}'

    asyncio.run(scenario())
