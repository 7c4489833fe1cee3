"""The socket that the supervisor listens on for all API processes."""

import socket

from shared.cli.listener import free_port, listen


def test_connections_send_small_pieces_at_once() -> None:
    """Without it an answer's head and body are 40 ms apart on a kept-alive connection."""
    with listen("127.0.0.1", free_port()) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
