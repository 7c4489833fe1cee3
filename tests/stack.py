"""A running Turnstone for tests: API processes and workers as real processes, each in a process group of its own.

    with Stack(directory, redis_url=…, database_url=…, key_prefix=…, upstream_url=…) as stack:
        client = OpenAI(base_url=stack.url(1), api_key="unused")
        stack.apis[0].kill()

Every wait has a deadline; `log_tails` is what to print when a test fails.
"""

import contextlib
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from shared.cli import commands
from shared.cli.listener import free_port
from shared.settings import PREFIX
from tests.eventually import eventually

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_TAIL_LINES = 60


class Process:
    """One part: `start`, `wait_ready`, then end it by `stop` (SIGTERM), `kill` (SIGKILL) or any `signal`."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._command = command
        self._environment = environment
        self._said_before = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def said(self) -> str:
        """What it has logged since its last start."""
        return self.log.read_bytes()[self._said_before :].decode(errors="replace")

    def start(self) -> None:
        assert not self.alive, f"{self.name} runs already"
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=dict(self._environment), stdout=output, stderr=output, start_new_session=True
            )

    def wait_ready(self) -> None:
        def ready_or_dead() -> bool:
            return self.is_ready() or not self.alive

        eventually(ready_or_dead, START_SECONDS, f"{self.name} to be ready")
        assert self.alive, f"{self.name} died at its start:\n{self.tail()}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.alive:
            self.signal(signal.SIGKILL)
        self.wait(STOP_SECONDS)

    def stop(self, seconds: float = STOP_SECONDS) -> int | None:
        """SIGTERM to the process itself; killed when it does not end in time. Returns the exit code."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def wait(self, seconds: float) -> int | None:
        return None if self._process is None else self._process.wait(seconds)

    def tail(self, lines: int = _TAIL_LINES) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def is_ready(self) -> bool:
        """Whether it takes work."""
        raise NotImplementedError


class ApiProcess(Process):
    """One API process on a port of its own."""

    def __init__(self, number: int, environment: Mapping[str, str], directory: Path) -> None:
        self.port = free_port()
        command = commands.api_command("--host", "127.0.0.1", "--port", str(self.port))
        super().__init__(f"api-{number}", command, environment, directory)

    @property
    def url(self) -> str:
        """Its base URL, `/v1` included."""
        return f"http://127.0.0.1:{self.port}/v1"

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class WorkerProcess(Process):
    """One Celery worker."""

    def __init__(
        self,
        number: int,
        environment: Mapping[str, str],
        directory: Path,
        command: Callable[[str], list[str]] = commands.worker_command,
    ) -> None:
        super().__init__(f"worker-{number}", command(f"worker-{number}"), environment, directory)

    def is_ready(self) -> bool:
        return " ready." in self.said


class FlowerProcess(Process):
    """Flower, as `turnstone flower` starts it."""

    def __init__(self, login: str, environment: Mapping[str, str], directory: Path) -> None:
        self.port = free_port()
        command = commands.turnstone_command("flower", "--port", str(self.port))
        super().__init__("flower", command, {**environment, "FLOWER_BASIC_AUTH": login}, directory)

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False


class Stack:
    """The whole service over the given Redis, database and upstream. `settings` are names without the prefix.

    `worker_command` makes a worker's command line from its name: faults are wired into it there.
    """

    def __init__(
        self,
        directory: Path,
        *,
        redis_url: str,
        database_url: str,
        key_prefix: str,
        upstream_url: str,
        apis: int = 2,
        workers: int = 1,
        settings: Mapping[str, object] | None = None,
        worker_command: Callable[[str], list[str]] = commands.worker_command,
    ) -> None:
        given: dict[str, object] = {
            "DATA_DIR": directory / "data",
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url,
            "KEY_PREFIX": key_prefix,
            "UPSTREAM_BASE_URL": upstream_url,
            **(settings or {}),
        }
        ours = {f"{PREFIX}{name}": str(value) for name, value in given.items()}
        rest = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self.directory = directory
        self.environment = rest | ours
        self.apis = [ApiProcess(number, self.environment, directory) for number in range(1, apis + 1)]
        self.workers = [
            WorkerProcess(number, self.environment, directory, worker_command) for number in range(1, workers + 1)
        ]

    @property
    def processes(self) -> list[Process]:
        return [*self.apis, *self.workers]

    def url(self, api: int = 0) -> str:
        """The base URL of one API process."""
        return self.apis[api].url

    def log_text(self) -> str:
        """Everything that any part has logged."""
        return "".join(process.log.read_text(errors="replace") for process in self.processes if process.log.exists())

    def log_tails(self) -> list[tuple[str, str]]:
        """For each part its name and the end of its log."""
        return [(process.name, process.tail()) for process in self.processes]

    def start(self) -> None:
        """Start every part over the migrated database, and return when all are ready."""
        for process in self.processes:
            process.start()
        for process in self.processes:
            process.wait_ready()

    def stop(self) -> None:
        """End every part that runs: the API first, as a deployment does."""
        for process in self.processes:
            if process.alive:
                process.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self.kill()

    def kill(self) -> None:
        """End whatever is left, at once."""
        for process in self.processes:
            process.kill()
