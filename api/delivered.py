"""What one reader was told, in case its stream has to be gone on with from the stored Response alone."""

from shared.core import sse_frame
from shared.core.response_fold import ResponseFold
from shared.wire.response import ITEM_ADDED

# Frames are folded when so many bytes are there: a short stream is never parsed, a long one costs little memory.
_MOST_BYTES = 128 * 1024
_OUTPUT = f"event: {ITEM_ADDED}\n".encode()


class Delivered:
    """Collects the frames that a reader was given from the beginning of its stream; of a part of one it keeps none."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._fold = ResponseFold()
        self._frames: list[bytes] = []
        self._size = 0
        self._output = False

    @property
    def begun(self) -> bool:
        """Whether anything was told, and all of it is known."""
        return bool(self._frames or self._fold.base)

    @property
    def output(self) -> bool:
        """Whether output is known to have been told."""
        return self._output

    def add(self, frames: bytes) -> None:
        """Joined frames, in their order."""
        if not self._whole:
            return
        self._output = self._output or _OUTPUT in frames
        self._frames.append(frames)
        self._size += len(frames)
        if self._size > _MOST_BYTES:
            self.fold()

    def fold(self) -> ResponseFold:
        """All that was told."""
        frames, self._frames, self._size = self._frames, [], 0
        for frame in sse_frame.split(b"".join(frames)):
            self._fold.apply(sse_frame.decode(frame))
        return self._fold
