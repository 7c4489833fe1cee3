"""The body of a request: bounded, parsed once, checked against its shape."""

from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request

from shared.core.json_document import parse_object
from shared.errors import BodyTooLarge, InvalidRequest

Shape = TypeVar("Shape", bound=BaseModel)


async def read_as(shape: type[Shape], request: Request, max_bytes: int, *, optional: bool = False) -> Shape:
    """The request's body in its shape; raises RequestError or pydantic's ValidationError. `optional`: may be empty."""
    body = await _read(request, max_bytes)
    return shape.model_validate({} if optional and not body else parse_object(body))


async def _read(request: Request, max_bytes: int) -> bytes:
    too_large = BodyTooLarge(f"The request body is larger than {max_bytes} bytes.", code="request_too_large")
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > max_bytes:
                raise too_large
    except ClientDisconnect:
        raise InvalidRequest("The request body broke off.") from None
    return bytes(body)
