"""Model server, Turnstone in front of it, the demo's account, and a comparison: `run.py BIN` of the model's venv."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from ops.real_model import comparison
from ops.real_model.processes import free_port, running, without_settings

MODEL = "tiny-llama"
TURNSTONE = [sys.executable, "-m", "shared.cli"]
ACCOUNT_TOKENS = 64
OFFLINE = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}  # one thread is faster for a model this small


def main(bin_directory: Path) -> None:
    """Run everything; raises what went wrong."""
    signal.signal(signal.SIGTERM, _stop)
    with tempfile.TemporaryDirectory(prefix="turnstone-real-model-") as name, ExitStack() as processes:
        directory = Path(name)
        _make_model(bin_directory, directory)
        server = _start_server(processes, bin_directory, directory)
        turnstone = _start_turnstone(processes, directory, server)
        _account(turnstone)
        print("\nThe same greedy turns, asked of the server directly and through Turnstone:", flush=True)
        comparison.compare(server, turnstone, MODEL)
        print("GET /v1/models")
        print(f"  server    {comparison.models_answer(server)}\n  turnstone {comparison.models_answer(turnstone)}")
    print("All stopped.")


def _make_model(bin_directory: Path, directory: Path) -> None:
    script = Path(__file__).with_name("make_model.py")
    command = [str(bin_directory / "python"), str(script), str(directory / MODEL)]
    subprocess.run(command, check=True, env=os.environ | OFFLINE)


def _start_server(processes: ExitStack, bin_directory: Path, directory: Path) -> str:
    port = free_port()
    command = [str(bin_directory / "transformers"), "serve", MODEL, "--device", "cpu"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    print(f"Starting transformers serve {MODEL} on 127.0.0.1:{port} …", flush=True)
    environment = os.environ | OFFLINE
    processes.enter_context(running(command, directory / "server.log", f"http://127.0.0.1:{port}/health", environment))
    return f"http://127.0.0.1:{port}/v1"


def _start_turnstone(processes: ExitStack, directory: Path, server: str) -> str:
    port = free_port()
    command = [*TURNSTONE, "up", "--port", str(port), "--data-dir", str(directory / "data")]
    print(f"Starting turnstone up on 127.0.0.1:{port} …\n", flush=True)
    environment = without_settings(os.environ) | {"TURNSTONE_UPSTREAM_BASE_URL": server}
    processes.enter_context(
        running(command, directory / "turnstone.log", f"http://127.0.0.1:{port}/readyz", environment)
    )
    return f"http://127.0.0.1:{port}/v1"


def _account(base_url: str) -> None:
    command = [*TURNSTONE, "demo", "--base-url", base_url, "--model", MODEL]
    command += ["--max-output-tokens", str(ACCOUNT_TOKENS)]
    subprocess.run(command, check=True)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
    raise SystemExit(128 + number)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).absolute())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        sys.exit(f"real-model: {error}")
