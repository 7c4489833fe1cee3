"""Removes each safeguard from a copy of the shipped code in turn, and shows the test that notices.

    python -m tests.mutants.run [name …]

Exits with 1 unless every one is noticed. A run of all of them writes docs/safeguards.md.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants import table
from tests.mutants.safeguard import Safeguard
from tests.mutants.safeguards import IMPORTED, SAFEGUARDS
from tests.mutants.workbench import Workbench


def main(names: Sequence[str]) -> int:
    """Try the safeguards named, or all; the exit code."""
    chosen = [one for one in SAFEGUARDS if not names or one.name in names]
    if unknown := set(names) - {one.name for one in chosen}:
        raise SystemExit(f"no such safeguard: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="turnstone-mutants-") as directory:
        bench = Workbench(Path(directory) / "copy")
        check(bench, [*chosen, *IMPORTED])
        noticed = {one: test for one in chosen if (test := try_without(bench, one))}
    say(f"{len(noticed)} of {len(chosen)} noticed")
    if len(noticed) < len(chosen):
        return 1
    if not names:
        table.write(noticed)
    return 0


def check(bench: Workbench, safeguards: Sequence[Safeguard]) -> None:
    """The tests pass while nothing is missing, and notice what the processes they start are made of."""
    tests = sorted({test for one in safeguards for test in one.tests})
    whole = bench.test(tests)
    if whole.noticed_by:
        raise SystemExit(f"fails on the whole code already: {whole.noticed_by}\n{whole.said}")
    for one in IMPORTED:
        if not try_without(bench, one):
            raise SystemExit("the tests do not run the copy")


def try_without(bench: Workbench, safeguard: Safeguard) -> str | None:
    """The test that notices when this safeguard is gone, if one does."""
    begun = time.monotonic()
    second = [one for one in SAFEGUARDS if one.name == safeguard.beneath]
    with bench.without([safeguard, *second]):
        noticed_by = bench.test(safeguard.tests).noticed_by
    verdict = f"noticed by {noticed_by}" if noticed_by else "NOT NOTICED"
    say(f"{safeguard.name}: {verdict} ({time.monotonic() - begun:.0f} s)")
    return noticed_by


def say(line: str) -> None:
    """Tell who watches."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
