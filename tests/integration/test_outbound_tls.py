"""S3: over TLS, what is sent reaches nobody but the host that was named, through the same guard."""

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.outbound import Unreachable
from tests.integration.test_outbound import LOOPBACK, OK, client

HOST = "receiver.example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The receiver's own, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "receiver.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


@pytest.mark.parametrize(
    ("trusted", "host", "answered"),
    [(True, HOST, 204), (True, "other.example.com", None), (False, HOST, None)],
    ids=["its own name", "another's name", "vouched for by nobody"],
)
def test_only_the_named_host_hears_what_is_sent(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, host: str, answered: int | None
) -> None:
    if trusted:  # aiohttp makes its context once, when it is imported
        context = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", context)
    status, heard = asyncio.run(send(certificate, host))
    assert status == answered
    assert bool(heard) == (answered is not None)


async def send(certificate: Path, host: str) -> tuple[int | None, list[bytes]]:
    """What was answered, and what the receiver has heard."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://{host}:{server.sockets[0].getsockname()[1]}/"
    try:
        return await client(networks=LOOPBACK).post(url, b"{}", {}), heard
    except Unreachable:
        return None, heard
    finally:
        server.close()
        await server.wait_closed()
