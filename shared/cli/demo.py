"""`turnstone demo`: the account of one run, on a stack of its own or on a running server."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from shared.cli import commands
from shared.cli.account import Account
from shared.cli.api_client import ApiClient
from shared.cli.errors import CommandError
from shared.cli.listener import free_port
from shared.cli.readiness import http_ok, until
from shared.clock import monotonic
from shared.settings import PREFIX

MODEL = "turnstone-demo"
ACCOUNT_SECONDS = 300.0
START_SECONDS = 60.0
STOP_SECONDS = 60.0

_LOG_LINES = 40


def run(base_url: str | None, model: str, max_output_tokens: int | None) -> None:
    """Print the account; raises CommandError where something is not as it should be."""
    fields: dict[str, object] = {"model": model} | (
        {"max_output_tokens": max_output_tokens} if max_output_tokens else {}
    )
    try:
        asyncio.run(_tell(base_url, fields))
    except asyncio.CancelledError:
        raise CommandError("The demo was stopped.") from None


async def _tell(base_url: str | None, fields: dict[str, object]) -> None:
    _stop_on_sigterm()
    if base_url is not None:
        await _account(base_url, fields, strict=False)
        return
    with tempfile.TemporaryDirectory(prefix="turnstone-demo-") as directory:
        async with _own_stack(Path(directory)) as own_url:
            await _account(own_url, fields, strict=True)


async def _account(base_url: str, fields: dict[str, object], *, strict: bool) -> None:
    started = monotonic()
    print(f"A background turn, end to end, on {base_url} with model {fields['model']}", flush=True)
    try:
        async with asyncio.timeout(ACCOUNT_SECONDS), ApiClient(base_url, fields) as client:
            await Account(client, strict, say=lambda line: print(line, flush=True)).tell()
    except aiohttp.ClientError as error:
        raise CommandError(f"{base_url} cannot be reached, or hung up: {error}") from None
    except TimeoutError:
        raise CommandError(f"The demo did not end within {ACCOUNT_SECONDS:g} s.") from None
    print(f"All as it should be, in {monotonic() - started:.1f} s.", flush=True)


@asynccontextmanager
async def _own_stack(directory: Path) -> AsyncIterator[str]:
    """`turnstone up` with two API processes and nothing but embedded parts, whatever the environment configures."""
    port, log = free_port(), directory / "log"
    print("Starting API ×2, worker, embedded Valkey, SQLite and the demo upstream (no model behind it) …", flush=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
            commands.turnstone_command("up", "--port", str(port), "--data-dir", str(directory / "data")),
            env=_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        await _until_ready(process, port)
        yield f"http://127.0.0.1:{port}/v1"
    except CommandError as error:
        raise CommandError(f"{error}\nThe last lines of its log:\n{_tail(log)}") from None
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, STOP_SECONDS)


async def _until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    ready = http_ok(f"http://127.0.0.1:{port}/readyz")

    async def ready_or_dead() -> bool:
        if process.poll() is not None:
            raise CommandError(f"`turnstone up` ended with exit code {process.returncode}.")
        return await ready()

    await until(ready_or_dead, START_SECONDS, "`turnstone up`")


def _environment() -> dict[str, str]:
    ours = {f"{PREFIX}API_PROCESSES": "2", f"{PREFIX}HOST": "127.0.0.1"}
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | ours


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _stop_on_sigterm() -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
