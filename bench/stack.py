"""What is measured: model server, API, worker, Valkey and SQLite, started for the measurement and ended after it."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.client import connect
from bench.processor_time import Processes

START_SECONDS = 60.0
STOP_SECONDS = 60.0
LOG_LINES = 30
_SETTINGS = {"TURNSTONE_WORKER_CONCURRENCY": "1000", "TURNSTONE_STREAMS_PER_OWNER": "5000"}
"""So that a scenario's streams all run at once."""


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    port: int
    upstream_port: int
    processes: Processes
    data: Path


@asynccontextmanager
async def started() -> AsyncIterator[Stack]:
    """One API and one worker process, unless TURNSTONE_… in the environment says otherwise."""
    port, upstream_port = _free_port(), _free_port()
    with tempfile.TemporaryDirectory(prefix="turnstone-bench-") as name:
        log = Path(name) / "log"
        up = ["shared.cli", "up", "--port", str(port), "--data-dir", f"{name}/data"]
        settings = {name: os.environ.get(name, value) for name, value in _SETTINGS.items()}
        settings["TURNSTONE_UPSTREAM_BASE_URL"] = f"http://127.0.0.1:{upstream_port}/v1"
        with (
            log.open("wb") as output,
            _python(["bench.upstream", "--port", str(upstream_port)], {}, output.fileno()) as upstream,
            _python(up, settings, output.fileno()) as supervisor,
        ):
            await _until_answered(upstream, upstream_port, "/v1/models", log)
            await _until_answered(supervisor, port, "/readyz", log)
            yield Stack(port, upstream_port, Processes.below(supervisor.pid), Path(name) / "data")


@contextmanager
def _python(module: Sequence[str], settings: dict[str, str], output: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        env=os.environ | settings,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches it once, through us
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


async def _until_answered(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while await _status(port, path) != 200:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} does not serve:\n{_tail(log)}")
        await asyncio.sleep(0.1)


async def _status(port: int, path: str) -> int | None:
    with suppress(OSError):
        connection = await connect(port)
        status, _ = await connection.request("GET", path)
        connection.close()
        return status
    return None


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
