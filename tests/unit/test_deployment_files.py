"""The files that start a deployment name real settings and real commands."""

import re
import tomllib
from pathlib import Path

import pytest

from shared.settings import PREFIX, Settings
from shared.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
FILES = ["docker-compose.yml", "Dockerfile", "Procfile", ".env.example", "Makefile", "CONTRIBUTING.md"]


@pytest.mark.parametrize("name", FILES)
def test_every_setting_named_in_it_exists(name: str) -> None:
    named = re.findall(rf"\b{PREFIX}[A-Z_]+", (ROOT / name).read_text())
    assert {setting.removeprefix(PREFIX).lower() for setting in named} <= set(Settings.model_fields)


def test_the_image_installs_locked_dependencies_and_does_not_run_as_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "ARG REQUIREMENTS=run\nCOPY requirements/${REQUIREMENTS}.txt requirements.txt\n" in dockerfile
    assert "--require-hashes -r requirements.txt" in dockerfile
    assert re.search(r"^USER (?!root)\w+", dockerfile, re.MULTILINE)


def test_the_procfile_runs_the_same_commands() -> None:
    lines = dict(re.findall(r"^(\w+): .*exec turnstone (\w+)", (ROOT / "Procfile").read_text(), re.MULTILINE))
    assert lines == {"web": "api", "worker": "worker", "flower": "flower"}


def test_the_version_is_told_the_same_everywhere() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert documented == set(phony[1].split())
