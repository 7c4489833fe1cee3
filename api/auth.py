"""Who is asking. Every request has an owner, and the store filters by it."""

from starlette.requests import HTTPConnection

# Until keys exist, a server has one owner and belongs on loopback.
ONLY_OWNER = "default"


def owner_of(_request: HTTPConnection) -> str:
    """The owner a request, or a WebSocket, acts for."""
    return ONLY_OWNER
