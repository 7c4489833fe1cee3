"""What a scenario hands back."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Measured:
    """`figures` by name, and how many units of work (`unit`) the processor time is to be shared out to."""

    figures: dict[str, Any]
    units: int
    unit: str
    faults: dict[str, int] = field(default_factory=dict)
