"""A RabbitMQ of the tests' own, where the machine has one installed."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

from shared.cli.listener import free_port
from tests.eventually import eventually

START_SECONDS = 60.0
_DIRECTORIES = os.pathsep.join(["/usr/lib/rabbitmq/bin", os.environ.get("PATH", "")])
"""Debian's own command, in the latter, would change the user first."""

SERVER = shutil.which("rabbitmq-server", path=_DIRECTORIES)
_PORT_MAPPER = shutil.which("epmd")


class RabbitMq:
    """A node on loopback that keeps its port and its messages when it is killed and started."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self._mapper_port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        (directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\ndefault_user = tests\ndefault_pass = word\n"
        )
        (directory / "plugins").write_text("[].")

    @property
    def url(self) -> str:
        return f"amqp://tests:word@127.0.0.1:{self.port}//"

    def __enter__(self) -> Self:
        # Left to itself the node would start one that outlives it.
        self._run([str(_PORT_MAPPER), "-address", "127.0.0.1", "-port", str(self._mapper_port)])
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        while self._processes:
            self.kill()

    def start(self) -> None:
        """Run it, and return when it takes connections."""
        self._run([str(SERVER)])
        eventually(self._answers, START_SECONDS)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        process = self._processes.pop()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _run(self, command: list[str]) -> None:
        with (self._directory / "output").open("ab") as output:
            self._processes.append(
                subprocess.Popen(command, env=self._environment(), stdout=output, stderr=output, start_new_session=True)
            )

    def _environment(self) -> dict[str, str]:
        directory = str(self._directory)
        return os.environ | {
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "HOME": directory,
            "RABBITMQ_CONFIG_FILE": f"{directory}/rabbitmq",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{directory}/plugins",
            "RABBITMQ_LOG_BASE": directory,
            "RABBITMQ_MNESIA_BASE": directory,
            "RABBITMQ_NODENAME": f"turnstone-{self.port}@localhost",
            "RABBITMQ_PID_FILE": f"{directory}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False
