"""Every Redis key and channel of the event streams, in one place.

| key                        | type    | holds                                                                        |
|----------------------------|---------|------------------------------------------------------------------------------|
| PREFIX:fence:RESPONSE      | string  | the highest attempt known; lower ones may not append                         |
| PREFIX:log:RESPONSE:WORK   | stream  | one attempt's events; entry (number + 1)-0 has one field `f`, the SSE frame  |
| PREFIX:live:RESPONSE       | channel | `Live` messages: the same frames, as they are appended                       |
| PREFIX:cancel              | channel | ids of responses that were ended from outside, for the workers               |
| PREFIX:ends:PROCESS        | channel | ends of the turns whose callers wait at this API process, as `name` + `Live` |
| PREFIX:trial               | both    | nothing; whoever wants to know writes and publishes there                    |
| PREFIX:requests:OWNER      | string  | the owner's requests in this minute, which began with the first              |

The last two live for a second and a minute; the others for `TURNSTONE_STREAM_LOG_SECONDS` after their last append, but
a log for a minute once its turn has ended: all that is in it is in SQL then, and would fill Redis, and outlive a
DELETE, for nothing. The broker's keys are Celery's own.
"""

from dataclasses import dataclass
from typing import Final

ENDED_LOG_SECONDS: Final = 60
"""Time for those who read a log while its turn ends; who comes later, or is slower, reads on in SQL."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The names under one deployment's prefix."""

    prefix: str

    def fence(self, response_id: str) -> str:
        """The fence of a turn."""
        return f"{self.prefix}:fence:{response_id}"

    def log(self, response_id: str, work: int) -> str:
        """The log of one attempt."""
        return f"{self.prefix}:log:{response_id}:{work}"

    def live(self, response_id: str) -> str:
        """The channel of a turn's live events."""
        return f"{self.prefix}:live:{response_id}"

    def requests(self, owner: str) -> str:
        """The count of an owner's requests."""
        return f"{self.prefix}:requests:{owner}"

    @property
    def trial(self) -> str:
        """A key and a channel to try Redis with."""
        return f"{self.prefix}:trial"

    @property
    def cancel(self) -> str:
        """The channel that tells workers to stop a turn."""
        return f"{self.prefix}:cancel"

    def ends(self, process: str) -> str:
        """The channel an API process subscribes to at its start."""
        return f"{self.prefix}:ends:{process}"


@dataclass(frozen=True, slots=True)
class Live:
    """A live message: events `first`, `first` + 1, … of attempt `work`, as joined frames."""

    work: int
    first: int
    count: int
    frames: bytes

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.first + self.count - 1

    def encode(self) -> bytes:
        """The message as published; the Lua script `append` writes the same head."""
        return b"%d %d %d\n" % (self.work, self.first, self.count) + self.frames

    @classmethod
    def decode(cls, message: bytes) -> "Live":
        """The message as received."""
        head, _, frames = message.partition(b"\n")
        work, first, count = head.split(b" ")
        return cls(int(work), int(first), int(count), frames)
