"""docs/safeguards.md: which safeguard serves what, and the test that noticed its absence."""

from collections.abc import Mapping

from tests.mutants.safeguard import Safeguard
from tests.mutants.safeguards import GUARANTEES
from tests.mutants.workbench import ROOT

PAGE = ROOT / "docs" / "safeguards.md"

_INTRO = """\
# Safeguards, and the tests that notice when one is gone

`make mutants` removes each of these from a copy of the shipped code, one at a time, and runs the tests that should
notice. This page is what it wrote at its last full run. Where two rules cover each other, removing one alone changes
nothing: both are removed then, and the second is named.
"""


def write(noticed: Mapping[Safeguard, str]) -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(noticed))


def page(noticed: Mapping[Safeguard, str]) -> str:
    """The page, with the test that noticed for each safeguard."""
    rows = [f"| {_name(one)} | {one.guarantee} | {_test(test)} |" for one, test in noticed.items()]
    head = ["| Safeguard | Serves | Noticed by |", "|---|---|---|"]
    served = [f"- {code}: {meaning}" for code, meaning in GUARANTEES.items()]
    count = f"**{len(rows)} of {len(rows)} noticed.**"
    return "\n".join([_INTRO, count, "", *head, *rows, "", "What they serve:", "", *served, ""])


def _name(safeguard: Safeguard) -> str:
    return safeguard.name + (f", together with: {safeguard.beneath}" if safeguard.beneath else "")


def _test(node_id: str) -> str:
    file, _, test = node_id.partition("::")
    return f"`{test.partition('[')[0]}` in [{file.removeprefix('tests/')}](../{file})"
