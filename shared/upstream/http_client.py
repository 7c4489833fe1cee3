"""HTTP to a model server: the session, and its errors in our words, since aiohttp's repeat hosts and answers."""

from contextlib import suppress
from typing import Any, Final

import aiohttp
import orjson

from shared import tracing
from shared.errors import UpstreamError
from shared.upstream import failures

IDLE_CONNECTION_SECONDS: Final = 4  # uvicorn, under most model servers, drops idle connections after 5
LONGEST_ERROR_BYTES: Final = 64 * 1024


def open_session(connect_seconds: float) -> aiohttp.ClientSession:
    """A session of the running loop: no cookies, no proxy from the environment, no bound on connections.

    It times only the connecting; reading is timed by the caller, who knows what it waits for.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_seconds, sock_connect=connect_seconds),
        headers={"Accept-Encoding": "identity"},  # compression would hold tokens back
        trust_env=False,
        trace_configs=tracing.of_http_client(),
    )


def network_failure(error: aiohttp.ClientError | ConnectionError) -> UpstreamError:
    """What went wrong below HTTP's status codes."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return failures.unreachable()
    if isinstance(error, aiohttp.ClientResponseError):
        return failures.garbage()
    return failures.cut()


async def refuse_errors(response: aiohttp.ClientResponse) -> None:
    """Raise the UpstreamError for any status but 200."""
    if response.status == 200:
        return
    error = await _error_object(response) if response.status in failures.REJECTED_PROMPT else None
    raise failures.for_status(response.status, error, response.headers.get("Retry-After"))


async def read_at_most(response: aiohttp.ClientResponse, size: int) -> bytes:
    """The body, or its beginning of about `size` bytes."""
    body = bytearray()
    while len(body) < size and (received := await response.content.readany()):
        body += received
    return bytes(body)


async def _error_object(response: aiohttp.ClientResponse) -> Any:
    """The error in the body: OpenAI's servers wrap it in an object, others are the object."""
    with suppress(orjson.JSONDecodeError, aiohttp.ClientError):
        body = orjson.loads(await read_at_most(response, LONGEST_ERROR_BYTES))
        return body.get("error", body) if isinstance(body, dict) else body
    return None
