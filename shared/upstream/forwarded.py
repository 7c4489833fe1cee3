"""An upstream's answer that is passed on as it comes, unread."""

from collections.abc import AsyncGenerator
from typing import Final

import aiohttp

from shared.errors import UpstreamError
from shared.upstream import failures
from shared.upstream.call_figures import CallFigures
from shared.upstream.http_client import network_failure
from shared.upstream.silence import SilenceWatch

MEDIA_TYPES: Final = frozenset({"application/json", "text/event-stream"})


class Forwarded:
    """One answer with status 200, its first bytes here. To be closed, which hangs up unless it was read to its end."""

    def __init__(
        self, response: aiohttp.ClientResponse, first: bytes, idle_seconds: float, figures: CallFigures
    ) -> None:
        self._response = response
        self._first = first
        self._idle_seconds = idle_seconds
        self._figures = figures

    @property
    def media_type(self) -> str:
        """JSON or server-sent events; raises UpstreamError for anything else."""
        if self._response.content_type not in MEDIA_TYPES:
            raise self._counted(failures.garbage())
        return self._response.content_type

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """What arrives, in the pieces it comes in; raises UpstreamError when it breaks off or goes quiet."""
        received = self._first
        try:
            with SilenceWatch(self._response.content, self._idle_seconds) as watch:
                while received:
                    yield received
                    received = await watch.read()
        except (aiohttp.ClientError, ConnectionError) as error:
            raise self._counted(network_failure(error)) from None
        except TimeoutError:
            raise self._counted(failures.stalled()) from None

    def close(self) -> None:
        """Give the connection back, or hang up."""
        self._response.close()

    def _counted(self, error: UpstreamError) -> UpstreamError:
        self._figures.failed(error)
        return error
