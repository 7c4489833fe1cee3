"""What goes over a WebSocket: the client's messages, checked, and the server's that are not a turn's own events."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import StringConstraints

from api import errors
from shared.core import sse_frame
from shared.core.json_document import parse_object
from shared.errors import BodyTooLarge, InvalidRequest
from shared.wire.requests import CreateResponse, Identifier, Strict

StreamId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,256}$")]

_STEERING = {
    "type": "invalid_request_error",
    "code": "steering_not_supported",
    "message": "This server does not steer a running response. Send the input as a response.create after its end.",
}
_HEAD = ("content-type", "content-length")


class _Envelope(Strict):
    type: Literal["response.create", "response.steer"]
    stream_id: StreamId | None = None


class _Steer(Strict):
    type: Literal["response.steer"]
    previous_response_id: Identifier
    input: str | list[Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose kind and lane are known; `fields` are the others, as they came. `size` is in bytes."""

    kind: Literal["response.create", "response.steer"]
    stream_id: str | None
    fields: dict[str, Any]
    size: int


def parse(data: str | bytes, max_bytes: int) -> Message:
    """The message in `data`; raises RequestError or pydantic's ValidationError."""
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > max_bytes:
        raise BodyTooLarge(f"The message is larger than {max_bytes} bytes.", code="request_too_large")
    envelope = _Envelope.model_validate(parse_object(raw))
    return Message(envelope.type, envelope.stream_id, envelope.model_extra or {}, len(raw))


def create(message: Message) -> tuple[CreateResponse, bool]:
    """What a `response.create` asks for, and whether the model is to answer; raises as `parse` does."""
    fields = dict(message.fields)
    generate = fields.pop("generate", None)
    if not isinstance(generate, bool | None):
        raise InvalidRequest("Invalid type for 'generate': expected a boolean.", "generate", "invalid_type")
    if fields.get("stream") is False:
        raise InvalidRequest("A response over a WebSocket is always streamed.", "stream", "unsupported_parameter")
    return CreateResponse.model_validate(fields | {"stream": True}), generate is not False


def steering_refused(message: Message) -> bytes:
    """The answer to a `response.steer`, with the input given back; raises pydantic's ValidationError."""
    steer = _Steer.model_validate(message.fields | {"type": message.kind})
    given = {"previous_response_id": steer.previous_response_id, "input": steer.input}
    event = {"type": "response.steer.failed", "sequence_number": 0, "error": _STEERING, "steer": given}
    return orjson.dumps(event)


def failure(error: Exception, stream_id: str | None) -> bytes:
    """An error as the event that tells it: what the same error is over HTTP, status and headers included."""
    answer = errors.answer(error)
    told = orjson.loads(answer.body)["error"]
    told["code"] = told["code"] or told["type"]
    headers = {name: value for name, value in answer.headers.items() if name not in _HEAD}
    event = {"type": "error", "status": answer.status_code, "error": told | ({"headers": headers} if headers else {})}
    return in_lane(orjson.dumps(event), stream_id)


def events(frames: bytes, stream_id: str | None) -> list[bytes]:
    """Joined frames of an event stream, as messages."""
    return [in_lane(sse_frame.data(frame), stream_id) for frame in sse_frame.split(frames)]


def in_lane(event: bytes, stream_id: str | None) -> bytes:
    """The event with its lane's name, which needs no escaping, as the last field."""
    return event if stream_id is None else b'%s,"stream_id":"%s"}' % (event[:-1], stream_id.encode())
