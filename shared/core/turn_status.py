"""The life of a turn as data.

    queued ──▶ in_progress ──▶ completed | incomplete | failed | cancelled
       └─────────────────────▶ failed | cancelled

queued       accepted and stored; a worker has not claimed it. Redis may forget it, SQL does not.
in_progress  claimed under a lease. A worker that dies leaves it so until its lease ends.
the others   ends. A row that has one never changes again.
"""

from enum import StrEnum


class Status(StrEnum):
    """A turn's status, spelled as on the wire."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.COMPLETED, Status.INCOMPLETE, Status.FAILED, Status.CANCELLED})
ACTIVE = frozenset(Status) - TERMINAL

# in_progress → in_progress is the takeover of a lost attempt, with a higher attempt number.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.IN_PROGRESS, Status.FAILED, Status.CANCELLED}),
    Status.IN_PROGRESS: TERMINAL | {Status.IN_PROGRESS},
    **{end: frozenset() for end in TERMINAL},
}

MAX_ATTEMPTS = 3


def sources(target: Status) -> list[str]:
    """The statuses a turn may have before it becomes `target`: the WHERE of every compare-and-set."""
    return sorted(source for source, targets in TRANSITIONS.items() if target in targets)
