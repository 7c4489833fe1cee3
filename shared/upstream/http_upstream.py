"""What upstreams over HTTP share: retries, patience and connections; what they speak is their own."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, nullcontext, suppress
from typing import Any, ClassVar, Final

import aiohttp
import orjson
import structlog
from multidict import CIMultiDict

from shared import clock
from shared.core.chunks import Chunk, Usage
from shared.core.retry import retry_delay
from shared.errors import UpstreamError
from shared.upstream import failures
from shared.upstream.answer import LONGEST_ANSWER_BYTES, Answer
from shared.upstream.base import Kind
from shared.upstream.call_figures import CallFigures
from shared.upstream.forwarded import Forwarded
from shared.upstream.http_client import network_failure, open_session, read_at_most, refuse_errors
from shared.upstream.json_values import as_list, as_object, parse_json
from shared.upstream.silence import SilenceWatch
from shared.wire.items import Item

MODELS_SECONDS: Final = 10.0
GOODBYE_SECONDS: Final = 0.05  # from [DONE] to the end of the body, after which the connection can serve again

log = structlog.get_logger()


class HttpUpstream(ABC):
    """One model server; `base_url` includes `/v1`. Belongs to the event loop that first uses it.

    `max_concurrent` bounds its calls from this process; those beyond it wait, for no longer than their turns may run.
    """

    kind: ClassVar[Kind]
    path: ClassVar[str]
    fewest_output_tokens: ClassVar[int] = 16
    """The least answer that can be asked for."""

    @abstractmethod
    def body(self, request: Mapping[str, Any], items: Sequence[Item]) -> dict[str, Any]:
        """The body of the call that runs a turn, streamed; raises InvalidRequest for what cannot be told."""

    @abstractmethod
    def answer(self, *, streamed: bool) -> Answer:
        """Reads one answer, as events or as one JSON object."""

    def __init__(
        self,
        *,
        name: str = "default",
        base_url: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        connect_seconds: float,
        first_byte_seconds: float,
        idle_seconds: float,
        attempts: int,
        max_concurrent: int | None = None,
    ) -> None:
        self._figures = CallFigures(name)
        self._base_url = base_url.rstrip("/")
        self._headers = CIMultiDict({"Authorization": f"Bearer {api_key.strip()}"} if api_key else {})
        self._headers.update(headers or {})
        self._free = asyncio.Semaphore(max_concurrent) if max_concurrent else nullcontext()
        self._connect_seconds = connect_seconds
        self._first_byte_seconds = first_byte_seconds
        self._idle_seconds = idle_seconds
        self._attempts = attempts
        self._session: aiohttp.ClientSession | None = None

    async def stream(self, request: Mapping[str, Any], items: Sequence[Item]) -> AsyncGenerator[list[Chunk], None]:
        """Run a turn; called again after a passing failure, but never once a chunk was handed on."""
        payload = _payload(self.body(request, items))
        attempt = 1
        while True:
            begun = False
            try:
                async with self._free, aclosing(self._call(payload)) as batches:
                    async for batch in batches:
                        begun = True
                        yield batch
                return
            except UpstreamError as error:
                self._figures.failed(error)
                delay = None if begun else retry_delay(attempt, self._attempts, error, random.random())  # noqa: S311
                if delay is None:
                    raise
                log.warning("upstream_retry", tries=attempt, delay_seconds=round(delay, 3), reason=error.message)
            await asyncio.sleep(delay)
            attempt += 1

    async def forward(self, path: str, body: Mapping[str, Any]) -> Forwarded:
        """Post `body` to `path` as it is, once; raises UpstreamError unless an answer has begun."""
        payload = _payload(body)
        try:
            response, first = await self._begin(path, payload)
        except UpstreamError as error:
            self._figures.failed(error)
            raise
        return Forwarded(response, first, self._idle_seconds, self._figures)

    async def count_tokens(self, request: Mapping[str, Any], items: Sequence[Item]) -> int:
        """What a turn's model would read, as its server counts when it gives the least answer it can."""
        least = {**request, "max_output_tokens": self.fewest_output_tokens}
        async with aclosing(self.stream(least, items)) as batches:
            async for batch in batches:
                for chunk in batch:
                    if isinstance(chunk, Usage) and chunk.input_tokens:
                        return chunk.input_tokens
        raise failures.uncounted()

    async def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that the server answers at `path`; raises UpstreamError."""
        answer = await self.forward(path, body)
        try:
            return as_object(parse_json(b"".join([piece async for piece in answer.pieces()])))
        finally:
            answer.close()

    async def models(self) -> list[dict[str, Any]]:
        """The server's models, with the fields of OpenAI's objects that small servers leave out."""
        try:
            async with asyncio.timeout(MODELS_SECONDS):
                listed = as_object(await self._get_json("models"))
        except TimeoutError:
            raise failures.silent() from None
        if "data" not in listed:
            raise failures.garbage()
        models = [as_object(model) for model in as_list(listed["data"])]
        return [{"object": "model", "created": 0, "owned_by": "upstream", **model} for model in models if "id" in model]

    async def close(self) -> None:
        """Close the connections; a later call would open new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _call(self, payload: bytes) -> AsyncGenerator[list[Chunk], None]:
        response, received = await self._begin(self.path, payload)
        try:
            answer = self.answer(streamed=_is_streamed(response))
            with SilenceWatch(response.content, self._idle_seconds) as watch:
                while received and not answer.done:
                    if chunks := answer.feed(received):
                        yield chunks
                    received = b"" if answer.done else await _more(watch, answer)
            if not answer.done and (chunks := answer.end()):
                yield chunks
            if answer.failure is not None:
                raise answer.failure
            await _read_to_end(response)
        finally:
            response.close()  # hangs up, unless the body was read to its end

    async def _begin(self, path: str, payload: bytes) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send the request; the answer comes with its first bytes, and with status 200 or not at all."""
        called = clock.monotonic()
        self._figures.called()
        try:
            async with asyncio.timeout(self._first_byte_seconds):
                response = await self._post(path, payload)
                try:
                    await refuse_errors(response)
                    first = await response.content.readany()
                except BaseException:
                    response.close()
                    raise
            self._figures.answered(clock.monotonic() - called)
            return response, first
        except (aiohttp.ClientError, ConnectionError) as error:  # first: aiohttp's own timeouts are both
            raise network_failure(error) from None
        except TimeoutError:
            raise failures.silent() from None

    async def _post(self, path: str, payload: bytes) -> aiohttp.ClientResponse:
        headers = self._headers.copy()
        headers.update({"Content-Type": "application/json", "Accept": "text/event-stream"})
        url = f"{self._base_url}/{path}"
        return await self._http().post(url, data=payload, headers=headers, allow_redirects=False)

    async def _get_json(self, path: str) -> Any:
        try:
            url = f"{self._base_url}/{path}"
            async with self._http().get(url, headers=self._headers, allow_redirects=False) as response:
                await refuse_errors(response)
                return parse_json(await read_at_most(response, LONGEST_ANSWER_BYTES))
        except (aiohttp.ClientError, ConnectionError) as error:
            raise network_failure(error) from None

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(self._connect_seconds)
        return self._session


def _payload(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # its text would repeat the value
        raise failures.unsendable() from None


def _is_streamed(response: aiohttp.ClientResponse) -> bool:
    """By content type; an answer without one is taken for what was asked for."""
    if response.content_type == "application/json":
        return False
    if response.content_type == "text/event-stream" or "Content-Type" not in response.headers:
        return True
    raise failures.garbage()


async def _more(watch: SilenceWatch, answer: Answer) -> bytes:
    """The next bytes, none at the end. An answer that has finished may break off as it likes."""
    try:
        return await watch.read()
    except (aiohttp.ClientError, ConnectionError) as error:
        failure = network_failure(error)
    except TimeoutError:
        failure = failures.stalled()
    if answer.finished:
        return b""
    raise failure


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
        async with asyncio.timeout(GOODBYE_SECONDS):
            while await response.content.readany():
                pass
