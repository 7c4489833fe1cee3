"""Every way an upstream can fail, each with a fixed public text and a code from the SDK's closed list."""

import email.utils
import math
from collections.abc import Mapping
from typing import Any, Final

from shared import clock
from shared.errors import UpstreamError, UpstreamFault

RETRYABLE_4XX: Final = frozenset({408, 409, 429})
REJECTED_PROMPT: Final = frozenset({400, 413, 422})
CONTEXT_OVERFLOW: Final = (
    "context_length_exceeded",
    "context length",
    "exceed_context_size",
    "context size",
    "context window",
    "n_keep",  # of LM Studio
)

# The codes of the SDK's list that tell of the request: they say enough by themselves.
REFUSALS: Final = frozenset(
    {
        "invalid_prompt",
        "bio_policy",
        "data_residency_mismatch",
        "misalignment_policy_violation",
        "vector_store_timeout",
        "invalid_image",
        "invalid_image_format",
        "invalid_base64_image",
        "invalid_image_url",
        "image_too_large",
        "image_too_small",
        "image_parse_error",
        "image_content_policy_violation",
        "invalid_image_mode",
        "image_file_too_large",
        "unsupported_image_media_type",
        "empty_image_file",
        "failed_to_download_image",
        "image_file_not_found",
    }
)


def unreachable() -> UpstreamError:
    """No connection: refused, reset, no such host, no answer to the connect."""
    text = "The upstream model server could not be reached."
    return UpstreamError(text, retryable=True, fault=UpstreamFault.UNREACHABLE)


def silent() -> UpstreamError:
    """No first byte in time; not tried again, as it may still be busy with the first call."""
    return UpstreamError("The upstream model server did not begin to answer in time.", fault=UpstreamFault.SILENT)


def stalled() -> UpstreamError:
    """A stream that went quiet."""
    text = "The upstream model server stopped sending in the middle of its answer."
    return UpstreamError(text, fault=UpstreamFault.STALLED)


def cut() -> UpstreamError:
    """A stream that ended before the model had finished."""
    text = "The upstream model server broke off before its answer was complete."
    return UpstreamError(text, retryable=True, fault=UpstreamFault.CUT)


def garbage() -> UpstreamError:
    """Bytes that are not a Chat Completions answer."""
    return UpstreamError(
        "The upstream model server sent an answer that cannot be read.", fault=UpstreamFault.UNREADABLE
    )


def uncounted() -> UpstreamError:
    """An answer that does not say how many tokens were read."""
    return UpstreamError("The upstream model server does not say how many tokens it has read.")


def unsendable() -> UpstreamError:
    """A request that JSON for other programs cannot hold: a number beyond 64 bits, half a surrogate pair."""
    return UpstreamError("The request holds a value that cannot be sent to the upstream model.", code="invalid_prompt")


def context_overflow() -> UpstreamError:
    """More input than the model's context window holds."""
    text = "The input is too long for the context window of the upstream model."
    return UpstreamError(text, code="invalid_prompt", overflow=True, fault=UpstreamFault.OVERFLOW)


def for_status(status: int, error: object = None, retry_after: str | None = None) -> UpstreamError:
    """The failure an HTTP status means; `error` is the upstream's error object, read for its kind only."""
    if status in REJECTED_PROMPT and _tells_of_overflow(error):
        return context_overflow()
    return UpstreamError(
        _status_text(status),
        code=_status_code(status),
        retryable=status in RETRYABLE_4XX or status >= 500,
        retry_after_seconds=_seconds(retry_after),
        fault=_status_fault(status),
    )


def reported(error: object) -> UpstreamError:
    """The failure an error object in the middle of an answer means."""
    status = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(status, int) and 400 <= status < 600:
        return for_status(status, error)
    if _tells_of_overflow(error):
        return context_overflow()
    code = error.get("code") if isinstance(error, Mapping) else None
    if code == "rate_limit_exceeded":
        return for_status(429)
    if code in REFUSALS:
        text = "The upstream model server refused the request."
        return UpstreamError(text, code=str(code), fault=UpstreamFault.REJECTED)
    text = "The upstream model server reported an error."
    return UpstreamError(text, retryable=code == "server_error", fault=UpstreamFault.SERVER_ERROR)


def _status_text(status: int) -> str:
    if status in {401, 403}:
        return "The upstream model server refused our credentials."
    if status == 404:
        return "The upstream model server does not know the model or path."
    if status == 429:
        return "The upstream model server is receiving too many requests."
    if status >= 500:
        return f"The upstream model server failed (HTTP {status})."
    if status >= 400:
        return f"The upstream model server rejected the request (HTTP {status})."
    return f"The upstream model server gave an unexpected answer (HTTP {status})."


def _status_code(status: int) -> str:
    if status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if status in REJECTED_PROMPT else "server_error"


def _status_fault(status: int) -> UpstreamFault:
    if status in {401, 403}:
        return UpstreamFault.CREDENTIALS
    if status == 429:
        return UpstreamFault.RATE_LIMITED
    return UpstreamFault.SERVER_ERROR if status >= 500 else UpstreamFault.REJECTED


def _tells_of_overflow(error: object) -> bool:
    """Servers say so in the code (OpenAI), the type (llama.cpp) or only in the message (vLLM)."""
    said: Mapping[str, Any] = error if isinstance(error, Mapping) else {"message": error}
    words = " ".join(str(said.get(key, "")) for key in ("code", "type", "message")).lower()
    return any(sign in words for sign in CONTEXT_OVERFLOW)


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After: a number of seconds or a date."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        seconds = _seconds_until(retry_after)
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - clock.now()
    except (ValueError, OverflowError):
        return math.nan
