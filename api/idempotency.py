"""The Idempotency-Key header: what makes a repeated request the same one."""

import hashlib
from dataclasses import dataclass

import orjson
from pydantic import BaseModel
from starlette.requests import Request

from shared.errors import InvalidRequest

# How long a foreground turn with a key runs on without its caller.
COMES_BACK_SECONDS = 60

_LONGEST = 255


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key, and the digest of the body it came with."""

    key: str
    digest: str


def key_of(request: Request, body: BaseModel) -> IdempotencyKey | None:
    """The request's key, None if it has none; raises InvalidRequest for one that is empty or too long.

    Keys of different routes are different keys.
    """
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    if not 0 < len(given) <= _LONGEST:
        raise InvalidRequest(
            f"'Idempotency-Key' must have 1 to {_LONGEST} characters.", "Idempotency-Key", "invalid_value"
        )
    content = orjson.dumps(body.model_dump(by_alias=True, exclude_unset=True), option=orjson.OPT_SORT_KEYS)
    return IdempotencyKey(f"{request.url.path} {given}", hashlib.sha256(content).hexdigest())
