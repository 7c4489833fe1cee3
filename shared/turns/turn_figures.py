"""What is counted of each turn, at its acceptance and at its end."""

from functools import cache
from typing import TypeVar

from prometheus_client import Counter, Histogram

from shared.core.service_tier import tier_of
from shared.core.turn import Outcome, Turn
from shared.metrics import FIRST_DELTA, TOKENS, TURN_RUN, TURN_WAIT, TURNS_ACCEPTED, TURNS_ENDED, mode_of
from shared.model_labels import MODELS

T = TypeVar("T", Counter, Histogram)
_DIRECTIONS = (("input", "input_tokens"), ("output", "output_tokens"))


def accepted(turn: Turn) -> None:
    """A turn was stored."""
    _one(TURNS_ACCEPTED, mode_of(turn), _tier(turn)).inc()


def claimed(turn: Turn) -> None:
    """A worker has it. Both times are the database's."""
    if turn.started_at is not None and turn.dispatched_at is not None:
        _one(TURN_WAIT, _tier(turn)).observe(max(0.0, turn.started_at - turn.dispatched_at))


def began_output(turn: Turn, seconds: float) -> None:
    """Its first output came so long after its claim."""
    _one(FIRST_DELTA, _tier(turn)).observe(seconds)


def finished(turn: Turn, seconds: float) -> None:
    """Its worker has written its end, so long after its claim."""
    _one(TURN_RUN, mode_of(turn)).observe(seconds)


def ended(turn: Turn, outcome: Outcome) -> None:
    """Its end is stored, whoever wrote it."""
    model = MODELS.of(turn.request.get("model"))
    _one(TURNS_ENDED, outcome.status, mode_of(turn), model, _tier(turn)).inc()
    for direction, field in _DIRECTIONS:
        # A model server may count as it likes; a counter takes nothing below 0.
        if (tokens := (outcome.usage or {}).get(field) or 0) > 0:
            _one(TOKENS, direction, model).inc(tokens)


def _tier(turn: Turn) -> str:
    return tier_of(turn.request.get("service_tier", "auto"))


@cache
def _one(metric: T, *labels: str) -> T:
    # The library makes texts of all labels and takes a lock, each time: that cost more than counting.
    return metric.labels(*labels)
