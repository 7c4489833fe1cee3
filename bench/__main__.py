"""`python -m bench [SCENARIO …] [--json]`: a table, or one JSON object a line; exit code 1 on any fault."""

import argparse
import json
import sys

import uvloop

from bench import table
from bench.run import run
from bench.scenarios import SCENARIOS
from bench.stack import started


async def main(names: list[str], *, as_json: bool) -> bool:
    """Run the scenarios one after another on one stack; whether all were without faults."""
    whole = True
    async with started() as stack:
        if not as_json:
            print(table.header(), flush=True)
        for name in names:
            result = await run(name, stack)
            whole = whole and not any(result["faults"].values())
            print(json.dumps(result) if as_json else table.row(result), flush=True)
    return whole


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure a whole Turnstone on this machine.")
    parser.add_argument("scenario", nargs="*", metavar="SCENARIO", help=f"some of: {', '.join(SCENARIOS)}")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args()
    if unknown := set(given.scenario) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    sys.exit(0 if uvloop.run(main(given.scenario or list(SCENARIOS), as_json=given.json)) else 1)
