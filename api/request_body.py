"""The body of a request: bounded, parsed once, checked against its shape."""

from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from shared.errors import BodyTooLarge, InvalidRequest
from shared.wire.requests import CreateResponse


async def read_create_response(request: Request, max_bytes: int) -> CreateResponse:
    """The body of POST /v1/responses; raises RequestError or pydantic's ValidationError."""
    return CreateResponse.model_validate(_parse(await _read(request, max_bytes)))


async def _read(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > max_bytes:
                raise BodyTooLarge(f"The request body is larger than {max_bytes} bytes.", code="request_too_large")
    except ClientDisconnect:
        raise InvalidRequest("The request body broke off.") from None
    return bytes(body)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        # orjson refuses NaN, lone surrogates and nesting beyond 1024 levels.
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The request body is not valid JSON.", code="invalid_json") from None
    if not isinstance(value, dict):
        raise InvalidRequest("The request body must be a JSON object.", code="invalid_type")
    return value
