"""Nodes for pytest-celery that are processes of this machine: its fixtures and API, without a container engine.

A node asks little of its "container"; these classes answer it. Started on their own, and stopped by the fixture that
made them, since pytest-celery's clusters stop nothing.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.cli.embedded_valkey import EmbeddedValkey
from tests.eventually import eventually

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class WorkerProcess:
    """A Celery worker of ours as its own process group, with `-E`, so that tests can hear its events."""

    celeryconfig: Mapping[str, Any] = {}

    def __init__(self, directory: Path, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.id = name
        self._log = directory / f"{name}.log"
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._reported = 0

    @staticmethod
    def worker_name() -> str:
        """The first half of the node's host name."""
        return "turnstone"

    @property
    def status(self) -> str:
        """In the words of a container engine."""
        return "running" if self._process and self._process.poll() is None else "exited"

    def start(self) -> None:
        """Run it; `ready` waits until it takes tasks."""
        node = f"{self.worker_name()}@{self.id}"
        command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-E", "-n", node]
        self._reported = len(self.logs())
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def ready(self) -> bool:
        """Wait until it has said that it is ready, since its last start."""
        eventually(lambda: self.status == "exited" or "ready." in self.logs()[self._reported :], START_SECONDS)
        return self.status == "running"

    def logs(self) -> str:
        """All it has ever said."""
        return self._log.read_text() if self._log.exists() else ""

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send it a signal; a deadly one is waited for."""
        assert self._process is not None
        number = _number(signal)
        self._process.send_signal(number)
        if number in _DEADLY:
            self._process.wait(STOP_SECONDS)

    def restart(self, timeout: float = STOP_SECONDS) -> None:
        """Stop it if it runs, and start it anew."""
        self.teardown()
        self.start()
        self.ready()

    def reload(self) -> None:
        """Nothing is cached here."""

    def teardown(self) -> None:
        """End it for good; without effect when it does not run."""
        if self.status == "running":
            self.kill("SIGTERM")

    def exec_run(self, command: str) -> tuple[int, bytes]:
        """Run a command as the worker would."""
        ran = subprocess.run(
            shlex.split(command), env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return ran.returncode, ran.stdout


class ValkeyProcess:
    """The embedded Valkey as a broker node."""

    def __init__(self, server: EmbeddedValkey) -> None:
        self.name = self.id = "valkey"
        self._server = server

    @property
    def celeryconfig(self) -> dict[str, Any]:
        """The URL, the same from inside and outside."""
        return {"url": self._server.url, "host_url": self._server.url}

    @property
    def status(self) -> str:
        """In the words of a container engine."""
        return "running" if self._server.answers() else "exited"

    def ready(self) -> bool:
        """It answers as soon as it was started."""
        return self._server.answers()

    def logs(self) -> str:
        """It has nothing to say."""
        return ""

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """End it, and forget everything."""
        self._server.stop()

    def restart(self, timeout: float = STOP_SECONDS) -> None:
        """Start it anew on its port, empty."""
        self._server.stop()
        self._server.start()

    def reload(self) -> None:
        """Nothing is cached here."""

    def teardown(self) -> None:
        """End it; without effect when it does not run."""
        self._server.stop()

    def exec_run(self, command: str) -> tuple[int, bytes]:
        """There is nothing to run in it."""
        raise NotImplementedError


_DEADLY = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT}


def _number(name: str | int) -> signal.Signals:
    return signal.Signals[name] if isinstance(name, str) else signal.Signals(name)
