"""The command line of each part. Configuration goes by environment: `ps` shows every argument to every user."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from shared.settings import PREFIX, Settings

API_GRACE_SECONDS = 5
"""How long uvicorn lets open requests and streams go on once it was told to stop."""

FLOWER_PORT = 5555

# -P: a package `api`, or a module `redis`, in the working directory is somebody else's and is never run.
_PYTHON = (sys.executable, "-P", "-m")
_HOME = Path(__file__).resolve().parents[2]


def api_command(*where: str) -> list[str]:
    """One API process; `where` is `--host H --port P`, or `--fd N` for a listening socket it inherits."""
    # uvicorn would look for the application in the working directory first.
    command = [*_PYTHON, "uvicorn", "api.main:application", "--factory", "--app-dir", str(_HOME), *where]
    command += [
        "--loop",
        "uvloop",
        "--http",
        "api.http_protocol:HttpProtocol",
        "--lifespan",
        "on",
        "--log-level",
        "warning",
    ]
    command += ["--ws", "api.websocket_protocol:WebSocketProtocol", "--ws-per-message-deflate", "false"]
    # A client that works on what it has does not answer; one that is gone is noticed in a minute and a half.
    command += ["--ws-ping-timeout", "60"]
    command += ["--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", str(API_GRACE_SECONDS)]
    return command


def worker_command(name: str, *, events: bool = False) -> list[str]:
    """One Celery worker; pool, concurrency and queues come from the app's own configuration."""
    command = [*_PYTHON, "workers", "--quiet", "worker", "--hostname", f"{name}@%h"]
    # Mingle and gossip tell workers of one another, which costs a second at start; ours share nothing but SQL.
    command += ["--without-mingle", "--without-gossip"]
    return [*command, "--task-events"] if events else command


def flower_command(host: str = "127.0.0.1", port: int = FLOWER_PORT) -> list[str]:
    """Flower, looking only; its login comes in `FLOWER_BASIC_AUTH`."""
    command = [*_PYTHON, "workers", "--quiet", "flower"]
    # It warns of each worker that does not answer within a second, as at every start.
    command += [f"--address={host}", f"--port={port}", "--read_only", "--max_tasks=10000", "--logging=error"]
    return [*command, "--tasks_columns=uuid,state,exception,worker,received,runtime"]


def demo_upstream_command(port: int) -> list[str]:
    """The demonstration model server."""
    return [*_PYTHON, "shared.upstream.demo", "--host", "127.0.0.1", "--port", str(port)]


def turnstone_command(*arguments: str) -> list[str]:
    """The `turnstone` command itself, in a process of its own."""
    return [*_PYTHON, "shared.cli", *arguments]


def environment(settings: Settings, **extra: str) -> dict[str, str]:
    """A child's environment: ours, with what flags and embedded parts have decided since it was read."""
    decided: dict[str, object] = {
        "HOST": settings.host,
        "PORT": settings.port,
        "DATA_DIR": settings.data_dir.absolute(),
        "REDIS_URL": settings.redis_url and settings.redis_url.get_secret_value(),
        "UPSTREAM_BASE_URL": settings.upstream_base_url,
        "SECRET_KEY": settings.secret_key and settings.secret_key.get_secret_value(),
    }
    named = {f"{PREFIX}{name}": str(value) for name, value in decided.items() if value is not None}
    return {**os.environ, **named, **extra}


def become(command: list[str], variables: Mapping[str, str]) -> None:
    """Replace this process by `command`, so that signals reach it directly."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, dict(variables))  # noqa: S606 - no shell is wanted
