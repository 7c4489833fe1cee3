"""The one mapping from errors to HTTP: OpenAI's envelope, all four keys, never a 422, never a leaked value."""

import math
from http import HTTPStatus

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.json_response import Json
from shared.core.input_items import invalid_field
from shared.errors import (
    BodyTooLarge,
    ConversationLocked,
    Limit,
    RateLimited,
    RequestError,
    TryAgain,
    Unauthorized,
    Unavailable,
    UpstreamError,
)
from shared.metrics import REFUSALS
from shared.store.engine import is_outage

_OURS = (RequestError, TryAgain, UpstreamError)
_HEADERS = {ConversationLocked: {"x-should-retry": "true"}, Unauthorized: {"www-authenticate": "Bearer"}}
_CLIENT_LEFT = 499  # nobody reads it; nginx's number for this case

log = structlog.get_logger()

for _limit in Limit:  # as with recoveries: a count that never rose is 0, not missing
    REFUSALS.labels(_limit.value)


def install(app: FastAPI) -> None:
    """Replace FastAPI's own shapes; what has no handler here reaches `api.request_context`."""
    for kind in (*_OURS, ValidationError, RequestValidationError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, _handle)


def answer(error: Exception) -> Response:
    """The response for any error; refusals for a limit are counted."""
    if limit := _limit_of(error):
        REFUSALS.labels(limit.value).inc()
    match error:
        case RequestError():
            response = _envelope(error.status, error.type, error.message, error.param, error.code)
            response.headers.update(_HEADERS.get(type(error), {}))
            return response
        case ValidationError():
            return answer(invalid_field(error))
        case RequestValidationError():
            return _bad_parameter(error)
        case HTTPException():
            return _http(error)
        case TryAgain():
            response = _envelope(error.status, error.type, error.message, None, error.code)
            response.headers["retry-after"] = str(error.retry_after_seconds)
            return response
        case UpstreamError():
            return _upstream(error)
        case ClientDisconnect():
            return Response(status_code=_CLIENT_LEFT)
    if is_outage(error):
        log.error("database_unavailable", error=type(error).__name__)
        return answer(Unavailable("The database is not available. Nothing was changed; try again."))
    # The type alone: a message could repeat what the client sent.
    log.error("request_crashed", error=type(error).__name__)
    return _envelope(500, "server_error", "The server had an error while processing the request.", None, None)


def _limit_of(error: Exception) -> Limit | None:
    if isinstance(error, BodyTooLarge):
        return Limit.BODY_SIZE
    return error.limit if isinstance(error, RateLimited) else None


async def _handle(_request: Request, error: Exception) -> Response:
    return answer(error)


def _upstream(error: UpstreamError) -> Response:
    """What the model's server says of the request is the caller's to fix; a crowd there is one to wait for."""
    if error.code == "invalid_prompt":
        code = "context_length_exceeded" if error.overflow else error.code
        return _envelope(400, "invalid_request_error", error.message, None, code)
    if error.code == "rate_limit_exceeded":
        return answer(RateLimited(error.message, max(1, math.ceil(error.retry_after_seconds or 1))))
    return _envelope(502, "server_error", error.message, None, error.code)


def _bad_parameter(error: RequestValidationError) -> Response:
    first = error.errors()[0]
    name = str(first["loc"][1])  # after where it was: in the query, the path or the headers
    return _envelope(
        400, "invalid_request_error", f"Invalid value for '{name}': {first['msg']}.", name, "invalid_value"
    )


def _http(error: HTTPException) -> Response:
    phrase = HTTPStatus(error.status_code).phrase
    texts = {404: "There is no such path on this server.", 405: "This path does not take that method."}
    return _envelope(error.status_code, "invalid_request_error", texts.get(error.status_code, phrase), None, None)


def _envelope(status: int, kind: str, message: str, param: str | None, code: str | None) -> Response:
    return Json({"error": {"message": message, "type": kind, "param": param, "code": code}}, status)
