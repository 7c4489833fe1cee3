"""The exact events of ended turns."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from shared.core import sse_frame
from shared.store.owner_filter import owned
from shared.store.tables import JOURNAL, RESPONSE

# Level 1: event JSON repeats itself so much that higher levels buy a tenth of the size for three times the CPU.
_LEVEL = 1
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Recording:
    """A journal as it is read: its frames in order, unpacked as they are asked for, so that a slow reader costs little.

    Reading one that was cut raises EOFError. `lost`: the live log could not be read at the end, so the number of the
    last frame is not its place. `exact`: these are the events as they were sent, not made anew from the Response.
    """

    packed: bytes
    lost: bool
    exact: bool = True

    def __iter__(self) -> Iterator[bytes]:
        """The frames."""
        unpacking = zlib.decompressobj()
        packed, text, searched = self.packed, bytearray(), 0
        while not unpacking.eof:
            piece = unpacking.decompress(packed, _PIECE_BYTES)
            if not piece and not unpacking.eof:
                raise EOFError("the journal breaks off")
            text += piece
            packed = unpacking.unconsumed_tail
            end = text.rfind(sse_frame.END, searched) + len(sse_frame.END)
            if end >= len(sse_frame.END):
                yield from sse_frame.split(bytes(text[:end]))
                del text[:end]
            searched = max(0, len(text) - 1)


def compress(frames: list[bytes]) -> bytes:
    """Frames as a journal keeps them."""
    return zlib.compress(b"".join(frames), _LEVEL)


def read(connection: Connection, owner: str, response_id: str) -> Recording | None:
    """The journal of an owner's ended turn, stored or not: for those who were let in to its stream."""
    mine = and_(JOURNAL.c.response_id == RESPONSE.c.id, owned(RESPONSE, owner))
    statement = (
        select(JOURNAL.c.frames, JOURNAL.c.lost).join(RESPONSE, mine).where(JOURNAL.c.response_id == response_id)
    )
    row = connection.execute(statement).first()
    return Recording(row.frames, row.lost) if row else None
