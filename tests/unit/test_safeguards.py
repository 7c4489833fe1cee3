"""The list of safeguards fits the code and the tests, and docs/safeguards.md tells of the same ones."""

import ast
from functools import cache

import pytest

from tests.mutants.safeguard import Safeguard
from tests.mutants.safeguards import GUARANTEES, IMPORTED, SAFEGUARDS
from tests.mutants.table import PAGE, page
from tests.mutants.workbench import ROOT

LISTED = [*SAFEGUARDS, *IMPORTED]


@pytest.mark.parametrize("safeguard", LISTED, ids=lambda safeguard: safeguard.name)
def test_its_text_stands_once_in_its_file_and_can_be_removed(safeguard: Safeguard) -> None:
    text = source(safeguard.file)
    assert text.count(safeguard.old) == 1
    assert safeguard.new != safeguard.old
    compile(text.replace(safeguard.old, safeguard.new), safeguard.file, "exec")


@pytest.mark.parametrize("safeguard", LISTED, ids=lambda safeguard: safeguard.name)
def test_its_tests_exist(safeguard: Safeguard) -> None:
    assert safeguard.tests
    for test in safeguard.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in functions(file) | {""}


def test_each_has_a_name_and_a_guarantee_of_its_own_kind() -> None:
    names = [one.name for one in LISTED]
    assert len(set(names)) == len(names)
    assert {one.guarantee for one in SAFEGUARDS} == set(GUARANTEES)
    assert {one.beneath for one in SAFEGUARDS} <= {*names, None}


def test_the_page_is_of_this_list() -> None:
    """Whatever the tests are by which each was noticed."""
    assert without_tests(PAGE.read_text()) == without_tests(page(dict.fromkeys(SAFEGUARDS, "tests/x.py::test")))


def without_tests(text: str) -> list[str]:
    return [line.rpartition("| `")[0] if line.startswith("| ") else line for line in text.splitlines()]


@cache
def source(file: str) -> str:
    return (ROOT / file).read_text()


@cache
def functions(file: str) -> set[str]:
    return {
        node.name for node in ast.parse(source(file)).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
