"""A small client for the Responses API, without any SDK: what the demo's account uses."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import aiohttp
import orjson

from shared.cli.errors import CommandError

Json = dict[str, Any]

_LONGEST_LINE_BYTES = 16 * 1024 * 1024


class Refused(CommandError):
    """The server answered with something else than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiClient:
    """Background turns on one server; `fields` go into every request. Use it as an async context."""

    def __init__(self, base_url: str, fields: Mapping[str, object]) -> None:
        root = base_url.rstrip("/").removesuffix("/v1")
        self._responses = f"{root}/v1/responses"
        self._fields = fields
        # A pool of none: every request opens a connection, and so may meet another API process.
        connector = aiohttp.TCPConnector(force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, read_bufsize=_LONGEST_LINE_BYTES)

    async def __aenter__(self) -> "ApiClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def create(self, text: str, **fields: object) -> Json:
        """Start a turn."""
        return await self._json("POST", "", self._body(text, fields))

    def create_streamed(self, text: str) -> AsyncGenerator[Json, None]:
        """Start a turn and read its events."""
        return self._events("POST", "", self._body(text, {"stream": True}))

    async def retrieve(self, response_id: str) -> Json:
        """The response as it stands."""
        return await self._json("GET", f"/{response_id}")

    def resume(self, response_id: str, starting_after: int | None = None) -> AsyncGenerator[Json, None]:
        """The events after a sequence number, or all of them."""
        after = "" if starting_after is None else f"&starting_after={starting_after}"
        return self._events("GET", f"/{response_id}?stream=true{after}")

    async def cancel(self, response_id: str) -> Json:
        """End a turn."""
        return await self._json("POST", f"/{response_id}/cancel")

    def _body(self, text: str, fields: Mapping[str, object]) -> Json:
        return {"input": text, "background": True, **self._fields, **fields}

    async def _json(self, method: str, path: str, body: Json | None = None) -> Json:
        async with self._session.request(method, self._responses + path, json=body) as answer:
            await _expect_ok(answer)
            return dict(orjson.loads(await answer.read()))

    async def _events(self, method: str, path: str, body: Json | None = None) -> AsyncGenerator[Json, None]:
        async with self._session.request(method, self._responses + path, json=body) as answer:
            await _expect_ok(answer)
            async for line in answer.content:
                if line.rstrip() == b"data: [DONE]":
                    return
                if line.startswith(b"data: "):
                    yield orjson.loads(line[6:])
        raise CommandError(f"The stream of {method} /v1/responses{path} broke off without [DONE].")


async def _expect_ok(answer: aiohttp.ClientResponse) -> None:
    if answer.status != 200:
        text = (await answer.text())[:300]
        raise Refused(answer.status, f"{answer.method} {answer.url.path} answered {answer.status}: {text}")


def output_text(response: Json) -> str:
    """All text of a response's messages."""
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part.get("text", "") for part in parts)


def delta_text(events: list[Json]) -> str:
    """All text of the deltas among these events."""
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def numbers(events: list[Json]) -> list[int]:
    """The events' sequence numbers."""
    return [event["sequence_number"] for event in events]
