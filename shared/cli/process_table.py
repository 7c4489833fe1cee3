"""The processes a supervisor has started, on disk, so that the next one can end what a killed one left behind."""

import json
import os
import signal
import time
from pathlib import Path

import psutil

TERMINATE_SECONDS = 5.0
_SAME_START_SECONDS = 2.0
"""psutil derives start times from the boot time, which the kernel rounds to the second."""


class ProcessTable:
    """Pids with their start times. A pid alone proves nothing: the kernel gives it away again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started: dict[int, tuple[str, float]] = {}

    def add(self, name: str, pid: int) -> None:
        """Record a process just started."""
        try:
            self._started[pid] = (name, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return
        self._write()

    def remove(self, pid: int) -> None:
        """Forget a process that has ended."""
        if self._started.pop(pid, None):
            self._write()

    def end_leftovers(self) -> list[str]:
        """End what the last supervisor left running and return the names; call it under the directory's lock."""
        left = self._leftovers()
        for _, process in left:
            _signal(process, signal.SIGTERM)
        _wait(left, TERMINATE_SECONDS)
        for _, process in left:
            _signal(process, signal.SIGKILL)
        _wait(left, TERMINATE_SECONDS)
        self._path.unlink(missing_ok=True)
        return [name for name, _ in left]

    def _leftovers(self) -> list[tuple[str, psutil.Process]]:
        try:
            rows = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return []
        found = ((row["name"], _same_process(row["pid"], row["create_time"])) for row in rows)
        return [(name, process) for name, process in found if process]

    def _write(self) -> None:
        rows = [{"name": name, "pid": pid, "create_time": born} for pid, (name, born) in self._started.items()]
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(rows))
        fresh.replace(self._path)


def _same_process(pid: int, create_time: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - create_time) < _SAME_START_SECONDS
    except psutil.NoSuchProcess:
        return None
    return process if same and _alive(process) else None


def _alive(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie waits only for its parent, which may never ask."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    """To the whole group: every child leads its own session."""
    if _alive(process):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return


def _wait(left: list[tuple[str, psutil.Process]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_alive(process) for _, process in left):
        time.sleep(0.05)
