"""Processes that live as long as a `with` block, each with a log that is shown when it fails."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

START_SECONDS = 120.0
STOP_SECONDS = 30.0
LOG_LINES = 30


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, ready_url: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Start `command`, wait until `ready_url` answers, and end it with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches it once, through us
        )
    try:
        _wait_until_ready(process, ready_url)
        yield
    except Exception:
        print(f"--- end of {log.name}\n{_tail(log)}\n---", file=sys.stderr)
        raise
    finally:
        _end(process)


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without Turnstone's settings: this run is configured by nobody else."""
    return {name: value for name, value in environment.items() if not name.startswith("TURNSTONE_")}


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with exit code {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} did not answer within {START_SECONDS:g} s")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:  # refused, not yet ready, too slow
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
