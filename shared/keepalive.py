"""What a TCP connection is told so that a peer which has vanished is noticed within half a minute."""

import socket

_OPTIONS = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}

# Not every system has each of them.
KEEPALIVE_OPTIONS = {getattr(socket, name): value for name, value in _OPTIONS.items() if hasattr(socket, name)}
