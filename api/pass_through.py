"""/v1/chat/completions and /v1/embeddings: to the model's server and back, with nothing kept."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.caller import while_connected
from api.dependencies import Admitted, Runtime
from api.request_body import read_as
from api.runtime import ApiRuntime
from api.sse import EventStreamResponse
from api.stream_limits import Slot
from shared.core.api_key import Caller
from shared.upstream.forwarded import Forwarded
from shared.wire.requests import PassedOn

router = APIRouter(prefix="/v1")


@router.post("/chat/completions")
async def chat_completions(request: Request, runtime: Runtime, caller: Admitted) -> Response:
    """Have the model's server answer a chat, streamed or whole; it is not stored."""
    return await _forward(request, runtime, caller, "chat/completions")


@router.post("/embeddings")
async def embeddings(request: Request, runtime: Runtime, caller: Admitted) -> Response:
    """Have the model's server embed texts."""
    return await _forward(request, runtime, caller, "embeddings")


async def _forward(request: Request, runtime: ApiRuntime, caller: Caller, path: str) -> Response:
    body = await read_as(PassedOn, request, runtime.settings.max_body_bytes)
    upstream = runtime.upstream_for(caller, body.model)
    with runtime.streams.take(caller.owner) as slot:
        answer = await while_connected(request, upstream.forward(path, body.model_dump()))
        try:
            return _ForwardedResponse(answer, slot)
        except BaseException:
            answer.close()
            raise


class _ForwardedResponse(EventStreamResponse):
    """Sends what arrives; hangs up on the upstream when the client has left."""

    def __init__(self, answer: Forwarded, slot: Slot) -> None:
        super().__init__(answer.pieces(), slot)
        self.headers["content-type"] = answer.media_type
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()
