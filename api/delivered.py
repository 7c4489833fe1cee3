"""What one reader was told, in case its stream has to be gone on with from the stored Response alone."""

from shared.core import sse_frame
from shared.core.response_fold import ResponseFold
from shared.wire.response import ITEM_ADDED

# Of a longer stream nothing is kept: it is read again in the log when it is needed, as far as that is there.
_MOST_BYTES = 64 * 1024
_OUTPUT = f"event: {ITEM_ADDED}\n".encode()


class Delivered:
    """Keeps the frames that a reader was given, unread, as long as they are all of a short stream.

    `complete`: whether they are; of a reader that came later, or was told much, they are not.
    """

    def __init__(self, *, whole: bool) -> None:
        self.complete = whole
        self.output = False
        """Whether output is known to have been told."""
        self._frames: list[bytes] = []
        self._size = 0

    @property
    def begun(self) -> bool:
        """Whether anything was told, and all of it is kept."""
        return self.complete and bool(self._frames)

    def add(self, frames: bytes) -> None:
        """Joined frames, in their order."""
        self.output = self.output or _OUTPUT in frames
        if not self.complete:
            return
        self._size += len(frames)
        self._frames.append(frames)
        if self._size > _MOST_BYTES:
            self.complete = False
            self._frames.clear()

    def recall(self, frames: list[bytes]) -> None:
        """All frames that were told, read again."""
        self.complete, self.output = True, any(_OUTPUT in frame for frame in frames)
        self._frames = frames

    def fold(self) -> ResponseFold:
        """All that was told."""
        return ResponseFold.of(map(sse_frame.decode, sse_frame.split(b"".join(self._frames))))
