"""Addresses: the listening socket, which is the supervisor's own and outlives every API process, and free ports."""

import errno
import socket

from shared.cli.errors import CommandError

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; raises CommandError with what to do when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CommandError(_refused(host, port, error)) from None
    # Connections inherit it. uvicorn takes an inherited descriptor for a Unix socket and so would not set it, and each
    # answer on a kept-alive connection would wait 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _refused(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use, perhaps by another `turnstone up`. "
            "Stop what listens there, or choose another port with --port or TURNSTONE_PORT."
        )
    return f"Cannot listen on {host} port {port}: {error.strerror}. Choose others with --host and --port."


def base_url(host: str, port: int) -> str:
    """The address a client on this machine uses."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
