"""The body of a request: bounded, parsed once, checked against its shape."""

from starlette.requests import ClientDisconnect, Request

from shared.core.json_document import parse_object
from shared.errors import BodyTooLarge, InvalidRequest
from shared.wire.requests import CreateResponse


async def read_create_response(request: Request, max_bytes: int) -> CreateResponse:
    """The body of POST /v1/responses; raises RequestError or pydantic's ValidationError."""
    return CreateResponse.model_validate(parse_object(await _read(request, max_bytes)))


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
