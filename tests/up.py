"""A running `turnstone up`, as a person starts it."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.cli.listener import free_port
from shared.cli.process_table import ProcessTable
from shared.settings import PREFIX
from tests.eventually import eventually

START_SECONDS = 60
TURNSTONE = [sys.executable, "-m", "shared.cli"]


class Up:
    """A running `turnstone up` on a port and data directory of its own."""

    def __init__(self, directory: Path, port: int, settings: Mapping[str, object]) -> None:
        self.directory = directory
        self.port = port
        self.environment = bare_environment() | {f"{PREFIX}{name}": str(value) for name, value in settings.items()}
        self.log = directory / "up.log"

    @property
    def command(self) -> list[str]:
        return [*TURNSTONE, "up", "--port", str(self.port), "--data-dir", str(self.directory / "data")]

    @property
    def processes(self) -> dict[str, int]:
        rows = json.loads((self.directory / "data" / "processes.json").read_text())
        return {row["name"]: row["pid"] for row in rows}

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def start(self) -> None:
        said = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=output, stderr=output)
        eventually(lambda: "turnstone: ready at" in self.log.read_text()[said:] or self.ended, START_SECONDS)
        assert not self.ended, self.log.read_text()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def healthz(self) -> int:
        with urllib.request.urlopen(f"{self.address}/healthz", timeout=START_SECONDS) as answer:
            return int(answer.status)


def bare_environment() -> dict[str, str]:
    """Ours, without settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TURNSTONE_")}


@contextmanager
def running_up(directory: Path, **settings: object) -> Iterator[Up]:
    """One, ended with whatever it has started; `settings` are names without the prefix."""
    running = Up(directory, free_port(), settings)
    try:
        running.start()
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        ProcessTable(directory / "data" / "processes.json").end_leftovers()
