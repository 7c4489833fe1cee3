"""Waiting out a database that is away: what a claimed turn needs is not given up at the first refusal (G7)."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from shared import clock
from shared.store.engine import is_outage

_LONGEST_SECONDS = 120
_PAUSE_SECONDS = 0.5

T = TypeVar("T")
log = structlog.get_logger()


def outlast(act: Callable[[], T], event: str, response_id: str) -> T:
    """Do it again while the database is away, for two minutes at most; `event` is logged each time.

    Raises what `act` raises when that is no outage, or the outage lasts too long.
    """
    deadline = clock.monotonic() + _LONGEST_SECONDS
    while True:
        try:
            return act()
        except Exception as error:
            if not is_outage(error) or clock.monotonic() >= deadline:
                raise
            log.warning(event, response_id=response_id, error=type(error).__name__)
        clock.pause(_PAUSE_SECONDS)
