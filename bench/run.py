"""One scenario on a running stack, with the processor time it took."""

import asyncio
import os
from typing import Any

from bench.processor_time import difference
from bench.scenarios import SCENARIOS
from bench.stack import Stack

_AFTER_SECONDS = 0.2
"""What a scenario has set off may end before the processor time is read."""


async def run(name: str, stack: Stack) -> dict[str, Any]:
    """The figures of a scenario, as they go into JSON."""
    settled = await stack.processes.settle()
    before = stack.processes.used()
    measured = await SCENARIOS[name](stack)
    await asyncio.sleep(_AFTER_SECONDS)
    used = difference(before, stack.processes.used())
    per_unit = {part: round(seconds / measured.units * 1000, 4) for part, seconds in used.items()}
    return {
        "scenario": name,
        **measured.figures,
        "unit": measured.unit,
        "units": measured.units,
        "cpu_ms_per_unit": round(sum(used.values()) / measured.units * 1000, 4),
        "cpu_ms_per_unit_by_part": per_unit,
        "faults": measured.faults,
        "settled_after_s": settled,
        "load_average": round(os.getloadavg()[0], 2),
    }
