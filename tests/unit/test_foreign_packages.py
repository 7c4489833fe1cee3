"""Started anywhere, the server runs its own code: packages and modules of the working directory are somebody else's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.cli import commands

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("api", "workers", "shared", "redis", "celery", "kombu", "uvicorn", "orjson", "structlog", "email", "logging")
COMMANDS = {
    "api": commands.api_command("--help"),
    "worker": [*commands.worker_command("w"), "--help"],
    "flower": [*commands.flower_command(), "--help"],
    "turnstone": commands.turnstone_command("--help"),
    "demo upstream": [*commands.demo_upstream_command(1), "--help"],
}


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A directory whose every module, once imported, leaves a mark."""
    for name in NAMES:
        package = tmp_path / name
        package.mkdir()
        mark = f"open({str(tmp_path / 'imported')!r}, 'a').write({name!r})\nraise SystemExit('a stranger ran')\n"
        (package / "__init__.py").write_text(mark)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_nothing_of_the_working_directory_is_run(foreign: Path, command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"FLOWER_BASIC_AUTH": "a:b", "TURNSTONE_REDIS_URL": "redis://127.0.0.1:1"}
    ran = subprocess.run(command, cwd=foreign, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert not (foreign / "imported").exists(), (foreign / "imported").read_text()
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_part_is_started_with_the_working_directory_on_its_path(command: list[str]) -> None:
    """Python, uvicorn and Celery each add it by themselves."""
    assert command[:3] == [sys.executable, "-P", "-m"]
    assert "-A" not in command
    if "uvicorn" in command:
        assert command[command.index("--app-dir") + 1] == str(ROOT)


TEXTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("shared/**/*.py"), *ROOT.glob("ops/**/*.md")]


def test_nobody_is_told_to_install_the_name_from_an_index() -> None:
    """It belongs to somebody else there."""
    told = re.compile(r"(?:pip|pipx|uv(?: tool)?|uvx) (?:install|add|run)?[^\n`]*\bturnstone(?:\[\w+\])?(?![\w./-])")
    found = [f"{path.name}: {match[0]}" for path in TEXTS for match in told.finditer(path.read_text())]
    assert not found
