"""Results for people."""

from collections.abc import Iterator
from typing import Any

_NOT_FIGURES = {
    "scenario",
    "unit",
    "units",
    "cpu_ms_per_unit",
    "cpu_ms_per_unit_by_part",
    "faults",
    "settled_after_s",
    "load_average",
}
_LAYOUT = "{:<13} {:>16}  {:<40} {:<10} {}"


def header() -> str:
    """The heads of the columns."""
    return _LAYOUT.format("scenario", "CPU ms", "of which", "faults", "figures")


def row(result: dict[str, Any]) -> str:
    """One line for one scenario."""
    shares = ", ".join(f"{part} {ms:.3f}" for part, ms in sorted(result["cpu_ms_per_unit_by_part"].items()))
    faults = ", ".join(f"{count} {fault}" for fault, count in result["faults"].items() if count) or "none"
    cost = f"{result['cpu_ms_per_unit']:.3f} per {result['unit']}"
    return _LAYOUT.format(result["scenario"], cost, shares, faults, ", ".join(_figures(result)))


def _figures(result: dict[str, Any]) -> Iterator[str]:
    for name, value in result.items():
        if name not in _NOT_FIGURES:
            yield f"{name} {value['p50']:g} (p99 {value['p99']:g})" if isinstance(value, dict) else f"{name} {value:g}"
