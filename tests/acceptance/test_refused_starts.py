"""A process that could do nothing does not start: it says why in one line, and ends for its supervisor to see."""

import os
import subprocess
from pathlib import Path

import pytest

from shared.cli.commands import turnstone_command
from shared.cli.listener import free_port
from tests.stack import START_SECONDS

PARTS = ["api", "worker"]


def started(part: str, database_url: str) -> subprocess.CompletedProcess[str]:
    """The part's process, once it has ended. Redis is away: a start does not ask for it."""
    environment = os.environ | {
        "TURNSTONE_DATABASE_URL": database_url,
        "TURNSTONE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "TURNSTONE_PORT": str(free_port()),
    }
    command = turnstone_command(part)
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=START_SECONDS)


@pytest.mark.parametrize("part", PARTS)
def test_a_database_that_is_away_ends_the_start_in_one_line(part: str) -> None:
    ended = started(part, f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"turnstone {part}: The database cannot be reached: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("part", PARTS)
def test_so_does_one_that_was_never_migrated(part: str, tmp_path: Path) -> None:
    ended = started(part, f"sqlite:///{tmp_path / 'empty.db'}")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"turnstone {part}: The database schema is behind this version. Run `turnstone migrate` first."
    )
    assert "Traceback" not in ended.stderr


def test_a_worker_that_nobody_foresaw_to_fail_ends_too_and_shows_where(tmp_path: Path) -> None:
    """Celery alone would go on without what turns need."""
    (tmp_path / "file").touch()
    ended = started("worker", f"sqlite:///{tmp_path / 'file' / 'none.db'}")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
