"""Figures made of samples."""

from collections.abc import Sequence


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and number of samples."""
    if not samples:
        raise ValueError("nothing was measured")
    ordered = sorted(samples)
    return {
        "p50": round(ordered[(len(ordered) - 1) // 2], 3),
        "p99": round(ordered[int((len(ordered) - 1) * 0.99)], 3),
        "samples": len(ordered),
    }
