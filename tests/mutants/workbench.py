"""A copy of the code that may be harmed, and the tests run on it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from tests.mutants.safeguard import Safeguard

ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("api", "shared", "workers", "tests", "pyproject.toml")
_PASSED, _FAILED = 0, 1
# A mutant may hang what it harms, and the way out of it too.
_TEST_SECONDS = 60
_RUN_SECONDS = 1200
_NOTICED = re.compile(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$", re.MULTILINE)
_WHERE = "import api, shared, workers; print(*(part.__file__ for part in (api, shared, workers)), sep='\\n')"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said: the first that failed, None when all passed; `said` is their own account."""

    noticed_by: str | None
    said: str


class Workbench:
    """A copy in `directory`, which must not exist yet. Every process started from its tests imports the copy."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for part in _PARTS:
            _copy(ROOT / part, directory / part)
        # CI: where a service cannot start, tests fail instead of being left out.
        self._environment = {**os.environ, "PYTHONPATH": str(directory), "CI": "1"}
        self._check_imports()

    def test(self, tests: Sequence[str]) -> Verdict:
        """Run the tests up to the first that fails; raises RuntimeError when they could not be run."""
        options = ["-x", "-q", "--tb=line", "--show-capture=no", "-p", "no:cacheprovider", f"--timeout={_TEST_SECONDS}"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        ran = self._run(command, self._directory)
        found = _NOTICED.search(ran.stdout)
        if ran.returncode == _PASSED:
            return Verdict(None, ran.stdout)
        if ran.returncode != _FAILED or not found:
            raise RuntimeError(f"the tests did not run:\n{ran.stdout}\n{ran.stderr}")
        return Verdict(found[1], ran.stdout)

    @contextmanager
    def without(self, safeguards: Sequence[Safeguard]) -> Iterator[None]:
        """The copy less these safeguards, for the length of the block."""
        whole = {self._directory / one.file: (self._directory / one.file).read_text() for one in safeguards}
        try:
            for one in safeguards:
                path = self._directory / one.file
                _write(path, _removed(path.read_text(), one))
            yield
        finally:
            for path, text in whole.items():
                _write(path, text)

    def _check_imports(self) -> None:
        """Or the tests would try the installed code. From another directory, as the processes they start may be."""
        where = self._run([sys.executable, "-c", _WHERE], Path("/")).stdout.splitlines()
        if not where or not all(Path(file).is_relative_to(self._directory) for file in where):
            raise RuntimeError(f"not the copy is imported, but {where}")

    def _run(self, command: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
        )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _removed(text: str, safeguard: Safeguard) -> str:
    if text.count(safeguard.old) != 1:
        raise RuntimeError(f"{safeguard.name}: its text is not once in {safeguard.file}")
    return text.replace(safeguard.old, safeguard.new)


def _write(path: Path, text: str) -> None:
    compile(text, path, "exec")
    path.write_text(text)
    # Python compares times in whole seconds: a file changed twice in one would be taken from its cache.
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
