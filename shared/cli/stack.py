"""What `turnstone up` runs: the embedded parts that the settings leave open, then workers, then the API."""

import asyncio
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from shared.cli import commands
from shared.cli.child import ProcessSpec
from shared.cli.embedded_valkey import EmbeddedValkey
from shared.cli.listener import base_url, free_port
from shared.cli.readiness import http_ok
from shared.cli.supervisor import Stage
from shared.exposition import MULTIPROC_DIR
from shared.settings import PREFIX, Settings

WORKER_STOP_SECONDS = 20
"""A worker still busy after that is killed; its turns go on elsewhere, or end, when their lease runs out."""


@dataclass
class Stack:
    """The stages in starting order, the settings the parts run with, and what to tell the person who started them."""

    settings: Settings
    stages: list[Stage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def figures_directory(settings: Settings) -> Path:
    """Where API processes and workers add up their figures; emptied at each start, or those of earlier ones count."""
    return settings.data_dir.absolute() / "metrics"


def build(settings: Settings, *, listener_fd: int, flower: bool = False) -> Stack:
    """Decide the embedded parts and describe every process; starts nothing."""
    stack = Stack(settings)
    if settings.redis_url is None:
        _add_valkey(stack, settings.data_dir / "valkey")
    if settings.upstream_base_url is None and settings.upstreams_file is None:
        _add_demo_upstream(stack)
    _add_workers(stack, flower=flower)
    _add_api(stack, listener_fd)
    return stack


def _add_valkey(stack: Stack, directory: Path) -> None:
    valkey = EmbeddedValkey(directory)

    async def ready() -> bool:
        return await asyncio.to_thread(valkey.answers)

    spec = ProcessSpec("valkey", valkey.command, commands.environment(stack.settings), ready=ready)
    stack.stages.append([spec])
    stack.settings = stack.settings.model_copy(update={"redis_url": SecretStr(valkey.url)})
    stack.notes.append("Redis: embedded Valkey; it lives as long as this command")


def _add_demo_upstream(stack: Stack) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    command = commands.demo_upstream_command(port)
    spec = ProcessSpec("demo-upstream", command, commands.environment(stack.settings), ready=http_ok(f"{url}/models"))
    stack.stages.append([spec])
    stack.settings = stack.settings.model_copy(update={"upstream_base_url": url})
    stack.notes.append("Upstream: DEMONSTRATION, no model behind it; set TURNSTONE_UPSTREAM_BASE_URL to use a real one")


def _add_workers(stack: Stack, *, flower: bool) -> None:
    specs = [
        ProcessSpec(
            f"worker-{number}",
            commands.worker_command(f"worker-{number}", events=flower),
            _worker_environment(stack.settings, number),
            stop_seconds=WORKER_STOP_SECONDS,
        )
        for number in range(1, stack.settings.worker_processes + 1)
    ]
    stack.stages.append([*specs, _flower(stack)] if flower else specs)


def _worker_environment(settings: Settings, number: int) -> dict[str, str]:
    first = settings.worker_metrics_port
    port = {} if first is None else {f"{PREFIX}WORKER_METRICS_PORT": str(first + number - 1)}
    return _with_figures(settings, **port)


def _with_figures(settings: Settings, **extra: str) -> dict[str, str]:
    return commands.environment(settings, **{MULTIPROC_DIR: str(figures_directory(settings))}, **extra)


def _flower(stack: Stack) -> ProcessSpec:
    password = secrets.token_urlsafe(12)
    stack.notes.append(f"Flower: http://127.0.0.1:{commands.FLOWER_PORT}, user turnstone, password {password}")
    environment = commands.environment(stack.settings, FLOWER_BASIC_AUTH=f"turnstone:{password}")
    return ProcessSpec("flower", commands.flower_command(), environment, stop_seconds=5)


def _add_api(stack: Stack, listener_fd: int) -> None:
    settings = stack.settings
    command = commands.api_command("--fd", str(listener_fd))
    stack.stages.append(
        [
            ProcessSpec(
                f"api-{number}",
                command,
                _with_figures(settings),
                stop_seconds=2 * commands.API_GRACE_SECONDS,
                inherited_fds=(listener_fd,),
                ready=http_ok(f"{base_url(settings.host, settings.port)}/readyz"),
            )
            for number in range(1, settings.api_processes + 1)
        ]
    )
