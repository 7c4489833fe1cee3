"""A turn's stored facts, as the rest of the system reads them."""

from dataclasses import dataclass, field
from typing import Any, Literal

from shared.core.turn_status import TERMINAL, Status

Ending = Literal["cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One row, without its items. Times are seconds since the epoch; `request` is the accepted body less `input`.

    `waiter`: the API process at which the caller of a foreground turn waits.
    """

    id: str
    owner: str
    status: Status
    created_at: int
    request: dict[str, Any]
    ignored: tuple[str, ...] = ()
    attempt: int = 0
    ending: Ending | None = None
    output_started: bool = False
    dispatched_at: float | None = None
    started_at: float | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    background: bool = False
    stream: bool = False
    store: bool = True
    waiter: str | None = None

    @property
    def terminal(self) -> bool:
        """Whether the turn has ended."""
        return self.status in TERMINAL

    @property
    def attempts(self) -> int:
        """How often a worker claimed the turn: an ender's takeover raises the number, but is no attempt."""
        return self.attempt - 1 if self.ending else self.attempt

    @property
    def work(self) -> int:
        """The attempt whose events count; before the first claim, the one that will."""
        return max(1, self.attempts)

    @property
    def erase_after_seconds(self) -> int:
        """How long an ended turn that is not to be stored stays readable for whoever asked for it."""
        return 600 if self.background else 60

    @property
    def request_id(self) -> str | None:
        """The request that made it, if that is known."""
        return self.request.get("request_id")

    @property
    def traceparent(self) -> str | None:
        """The span of that request, if it was traced: what happens to the turn is part of it."""
        return self.request.get("traceparent")

    @property
    def logged(self) -> bool:
        """Whether the turn's events are published: an unstreamed foreground turn publishes only its end."""
        return self.stream or self.background


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ended: what the terminal event says beyond the output.

    `at` is the time of the end; `usage` is in the shape of the wire.
    """

    status: Status
    at: float
    error: dict[str, Any] | None = None
    incomplete_reason: str | None = None
    usage: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
