"""Results for people."""

from collections.abc import Iterator
from typing import Any

_NOT_FIGURES = {"scenario", "unit", "units", "cpu_ms_per_unit", "cpu_ms_per_unit_by_part", "faults"}
_LAYOUT = "{:<13} {:<58} {:>20}  {:<34} {}"


def header() -> str:
    """The heads of the columns."""
    return _LAYOUT.format("scenario", "figures", "CPU ms", "of which", "faults")


def row(result: dict[str, Any]) -> str:
    """One line for one scenario."""
    shares = ", ".join(f"{part} {ms:.3f}" for part, ms in sorted(result["cpu_ms_per_unit_by_part"].items()))
    faults = ", ".join(f"{count} {fault}" for fault, count in result["faults"].items() if count) or "none"
    cost = f"{result['cpu_ms_per_unit']:.3f} per {result['unit']}"
    return _LAYOUT.format(result["scenario"], ", ".join(_figures(result)), cost, shares, faults)


def _figures(result: dict[str, Any]) -> Iterator[str]:
    for name, value in result.items():
        if name in _NOT_FIGURES or name in ("settled_after_s", "load_average"):
            continue
        yield f"{name} {value['p50']:g} (p99 {value['p99']:g})" if isinstance(value, dict) else f"{name} {value:g}"
