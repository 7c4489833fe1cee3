"""The errors of the system, as a tree; `api/errors.py` is the only place that turns them into HTTP.

TurnstoneError
├── RequestError            the caller can fix it (4xx)
│   ├── InvalidRequest         400, names the field
│   │   └── ConversationLocked    400, try again
│   ├── IdempotencyKeyReused   422
│   ├── Unauthorized           401
│   ├── Forbidden              403
│   ├── NotFound               404, unknown, foreign and deleted alike
│   └── BodyTooLarge           413
├── TryAgain                the same request may succeed later
│   ├── RateLimited            429
│   └── Unavailable            503
└── UpstreamError           the model server's word; ends a turn, and is 400, 429 or 502 where there is none
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar


class TurnstoneError(Exception):
    """Base of every error raised on purpose."""


@dataclass
class RequestError(TurnstoneError):
    """An answer in OpenAI's envelope; `message` is public and holds no prompt text."""

    message: str
    param: str | None = None
    code: str | None = None
    status: ClassVar[int] = 400
    type: ClassVar[str] = "invalid_request_error"

    def __str__(self) -> str:
        return self.message


class InvalidRequest(RequestError):
    """400: the request cannot be accepted as it is."""


class Unauthorized(RequestError):
    """401: no key, or one that opens nothing."""

    status = 401


class Forbidden(RequestError):
    """403: whatever is asked for, not from there, or not with this key."""

    status = 403


class NotFound(RequestError):
    """404: unknown, deleted or somebody else's; the three look the same."""

    status = 404


class ConversationLocked(InvalidRequest):
    """400 that may be tried again: another turn is running, and this server is set not to queue behind it."""


class IdempotencyKeyReused(RequestError):
    """422: the key was used for another body."""

    status = 422


class BodyTooLarge(RequestError):
    """413: the body is over `TURNSTONE_MAX_BODY_BYTES`."""

    status = 413


@dataclass
class TryAgain(TurnstoneError):
    """An answer with `Retry-After`; `retry_after_seconds` ≥ 1."""

    message: str
    retry_after_seconds: int = 1
    status: ClassVar[int]
    type: ClassVar[str]
    code: ClassVar[str]

    def __str__(self) -> str:
        return self.message


class Limit(StrEnum):
    """What there may be too much of, as refusals are counted."""

    QUEUED_TURNS = "queued_turns"
    QUEUED_TURNS_PER_OWNER = "queued_turns_per_owner"
    REQUESTS_PER_MINUTE = "requests_per_minute"
    STREAMS = "streams"
    STREAMS_PER_OWNER = "streams_per_owner"
    WAITING_MESSAGES = "waiting_messages"
    BODY_SIZE = "body_size"


@dataclass
class RateLimited(TryAgain):
    """429: a limit is reached and nothing was accepted. `limit`: None when it is the upstream's."""

    limit: Limit | None = None
    status, type, code = 429, "rate_limit_error", "rate_limit_exceeded"


class Unavailable(TryAgain):
    """503: nothing was accepted, or the turn never found a worker."""

    status, type, code = 503, "server_error", "server_unavailable"


class UpstreamFault(StrEnum):
    """What a model server did wrong, as it is counted."""

    UNREACHABLE = "unreachable"
    SILENT = "silent"
    STALLED = "stalled"
    CUT = "cut"
    UNREADABLE = "unreadable"
    CREDENTIALS = "credentials"
    RATE_LIMITED = "rate_limited"
    OVERFLOW = "overflow"
    REJECTED = "rejected"
    SERVER_ERROR = "server_error"
    OTHER = "other"


@dataclass
class UpstreamError(TurnstoneError):
    """The model server refused, hung, cut or sent garbage.

    `message` is public: it never repeats what the upstream said, since that may echo the prompt or a key.
    `code` is one of the SDK's closed list of response error codes. `retry_after_seconds` is the upstream's wish.
    """

    message: str
    code: str = "server_error"
    retryable: bool = False
    retry_after_seconds: float | None = None
    overflow: bool = False
    """The prompt was longer than the model's context."""
    fault: UpstreamFault = field(default=UpstreamFault.OTHER, compare=False)

    def __str__(self) -> str:
        return self.message


def missing_parameter(param: str) -> InvalidRequest:
    """The refusal of a request that lacks something it must have."""
    return InvalidRequest(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def unsupported_parameter(param: str, message: str) -> InvalidRequest:
    """The refusal of something that the published API has and this server has not."""
    return InvalidRequest(message, param, "unsupported_parameter")


def response_not_found(response_id: str) -> NotFound:
    """The one 404 for responses, whatever the reason."""
    return NotFound(f"Response with id '{response_id[:80]}' not found.", param="response_id")


def previous_response_not_found(response_id: str) -> InvalidRequest:
    """The 400 for a parent that is unknown, deleted or foreign."""
    return InvalidRequest(
        f"Previous response with id '{response_id[:80]}' not found.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def model_not_found(model: str) -> InvalidRequest:
    """The 400 for a model that no upstream serves."""
    return InvalidRequest(f"The model '{model[:80]}' is not served here.", "model", "model_not_found")


def conversation_not_found(conversation_id: str, param: str = "conversation_id") -> NotFound:
    """The one 404 for conversations, whatever the reason."""
    return NotFound(f"Conversation with id '{conversation_id[:80]}' not found.", param)


def conversation_locked(param: str) -> ConversationLocked:
    """The refusal of a turn behind one that is still running."""
    return ConversationLocked(
        "Another process is currently operating on this conversation. Please retry in a few seconds.",
        param,
        "conversation_locked",
    )
