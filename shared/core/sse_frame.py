"""Events as bytes: the one encoding, used in the live log, in the journal and on the client's wire."""

from typing import cast

import orjson

from shared.wire.response import Event

END = b"\n\n"


def encode(event: Event) -> bytes:
    """One SSE event. JSON escapes every line break, so no text can forge a line of the stream."""
    return b"event: " + event["type"].encode() + b"\ndata: " + orjson.dumps(event) + END


def decode(frame: bytes) -> Event:
    """The event of one frame made by `encode`."""
    return cast(Event, orjson.loads(frame[frame.index(b"\ndata: ") + 7 :]))


def split(frames: bytes) -> list[bytes]:
    """Joined frames, one by one."""
    return [frame + END for frame in frames.split(END)[:-1]]
