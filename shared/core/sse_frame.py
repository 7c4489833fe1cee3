"""Events as bytes: the one encoding, used in the live log, in the journal and on the client's wire."""

from typing import cast

import orjson

from shared.wire.response import Event

END = b"\n\n"

# Line ends to Unicode, not to JSON: left bare, they would break clients that split the stream as text.
_LINE_ENDS = ((b"\xc2\x85", rb"\u0085"), (b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"))


def encode(event: Event) -> bytes:
    """One SSE event. Every line break is escaped, so no text can forge a line of the stream."""
    data = orjson.dumps(event)
    if not data.isascii():
        for bare, escaped in _LINE_ENDS:
            data = data.replace(bare, escaped)
    return b"event: " + event["type"].encode() + b"\ndata: " + data + END


def decode(frame: bytes) -> Event:
    """The event of one frame made by `encode`."""
    return cast(Event, orjson.loads(data(frame)))


def data(frame: bytes) -> bytes:
    """The JSON text in one frame."""
    return frame[frame.index(b"\ndata: ") + 7 : -len(END)]


def split(frames: bytes) -> list[bytes]:
    """Joined frames, one by one."""
    return [frame + END for frame in frames.split(END)[:-1]]
