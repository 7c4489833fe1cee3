"""/v1/turnstone/stream-probe: a stream without a model, by which clients see whether a proxy holds events back."""

import asyncio
from collections.abc import AsyncGenerator

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import Owner, Runtime
from api.sse import EventStreamResponse
from shared import probe

router = APIRouter()


@router.get(probe.PATH)
async def stream_probe(runtime: Runtime, owner: Owner) -> Response:
    """A few events with a quarter of a second between them, sent as those of a turn are."""
    return EventStreamResponse(_pieces(), runtime.streams.take(owner), until=runtime.stopping)


async def _pieces() -> AsyncGenerator[bytes, None]:
    for number in range(probe.EVENTS):
        if number:
            await asyncio.sleep(probe.PAUSE_SECONDS)
        event = {"type": "turnstone.stream_probe", "sequence_number": number}
        yield b"event: turnstone.stream_probe\ndata: " + orjson.dumps(event) + b"\n\n"
    yield b"data: [DONE]\n\n"
