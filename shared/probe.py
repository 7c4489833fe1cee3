"""A paced stream that tells whether something on its way holds events back: how it is sent, and how it is judged."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

PATH: Final = "/v1/turnstone/stream-probe"
EVENTS: Final = 6
PAUSE_SECONDS: Final = 0.25
_LATE: Final = 1
"""An event that comes at once behind the one before may be the network's doing; more are not."""


def came_one_by_one(arrivals: Sequence[float]) -> bool:
    """Whether events that arrived at these times, in seconds, came as they were sent."""
    at_once = sum(later - earlier < PAUSE_SECONDS / 4 for earlier, later in pairwise(arrivals))
    return len(arrivals) == EVENTS and at_once <= _LATE
