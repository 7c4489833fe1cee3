"""`turnstone up` and `turnstone demo` as a person runs them: the real parts, ended and left behind in every way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest

from shared.cli.listener import free_port
from shared.cli.process_table import ProcessTable

START_SECONDS = 60
STOP_SECONDS = 30
TURNSTONE = [sys.executable, "-m", "shared.cli"]


class Up:
    """A running `turnstone up` on a port and data directory of its own."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.log = directory / "up.log"

    @property
    def command(self) -> list[str]:
        return [*TURNSTONE, "up", "--port", str(self.port), "--data-dir", str(self.directory / "data")]

    @property
    def processes(self) -> dict[str, int]:
        rows = json.loads((self.directory / "data" / "processes.json").read_text())
        return {row["name"]: row["pid"] for row in rows}

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def start(self) -> None:
        said = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.command, env=bare_environment(), stdout=output, stderr=output)
        eventually(lambda: "turnstone: ready at" in self.log.read_text()[said:] or self.ended)
        assert not self.ended, self.log.read_text()

    def healthz(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=START_SECONDS) as answer:
            return int(answer.status)


def bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TURNSTONE_")}


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def alive(pids: dict[str, int]) -> set[str]:
    """The names whose process still runs; a zombie does not."""
    running = set()
    for name, pid in pids.items():
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                running.add(name)
        except psutil.NoSuchProcess:
            continue
    return running


@contextmanager
def running_up(directory: Path) -> Iterator[Up]:
    running = Up(directory, free_port())
    try:
        running.start()
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        ProcessTable(directory / "data" / "processes.json").end_leftovers()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with running_up(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def lasting_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """For tests that leave it running."""
    with running_up(tmp_path_factory.mktemp("up")) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_ends_everything_in_order_and_the_exit_code_is_0(up: Up, number: signal.Signals) -> None:
    pids = up.processes
    assert alive(pids) == {"valkey", "demo-upstream", "worker-1", "api-1"}
    up.process.send_signal(number)
    assert up.process.wait(STOP_SECONDS) == 0
    assert alive(pids) == set()
    stops = [line for line in up.log.read_text().splitlines() if line.startswith("turnstone: stopping")]
    assert [line.split()[-1] for line in stops] == ["api-1", "worker-1", "demo-upstream", "valkey"]
    socket.create_server(("127.0.0.1", up.port)).close()


def test_it_says_where_it_is_how_to_use_it_and_that_the_upstream_is_a_demonstration(lasting_up: Up) -> None:
    said = lasting_up.log.read_text()
    assert f"ready at http://127.0.0.1:{lasting_up.port}/v1" in said
    assert f"curl -N http://127.0.0.1:{lasting_up.port}/v1/responses" in said
    assert f'OpenAI(base_url="http://127.0.0.1:{lasting_up.port}/v1"' in said
    assert "Upstream: DEMONSTRATION, no model behind it" in said


def test_no_secret_is_in_any_command_line(lasting_up: Up) -> None:
    config = (lasting_up.directory / "data" / "valkey" / "valkey.conf").read_text()
    password = next(line.split()[1] for line in config.splitlines() if line.startswith("requirepass"))
    lines = [" ".join(psutil.Process(pid).cmdline()) for pid in lasting_up.processes.values()]
    assert not any(password in line for line in lines)
    assert password not in lasting_up.log.read_text()


def test_metrics_tell_of_all_processes_of_the_host(lasting_up: Up) -> None:
    told = httpx2.get(f"http://127.0.0.1:{lasting_up.port}/metrics")
    assert told.headers["content-type"].startswith("text/plain")
    assert 'turnstone_recoveries_total{kind="turn_restarted"} 0.0' in told.text.splitlines()
    figures = (lasting_up.directory / "data" / "metrics").iterdir()
    assert {int(file.stem.rpartition("_")[2]) for file in figures} >= {
        lasting_up.processes["worker-1"],
        lasting_up.processes["api-1"],
    }


def test_a_second_up_on_the_same_data_directory_is_refused_and_harms_nothing(lasting_up: Up) -> None:
    second = subprocess.run(
        lasting_up.command, env=bare_environment(), capture_output=True, text=True, timeout=START_SECONDS
    )
    assert second.returncode == 1
    assert f"Another `turnstone up` (process {lasting_up.process.pid})" in second.stderr
    assert lasting_up.healthz() == 200


def test_a_killed_api_process_comes_back_and_meanwhile_clients_wait_instead_of_failing(lasting_up: Up) -> None:
    killed = lasting_up.processes["api-1"]
    os.kill(killed, signal.SIGKILL)
    assert lasting_up.healthz() == 200
    assert lasting_up.processes["api-1"] != killed
    assert "api-1 died with signal SIGKILL" in lasting_up.log.read_text()


def test_after_the_supervisor_was_killed_the_next_up_ends_what_it_left_and_serves(up: Up) -> None:
    left = up.processes
    up.process.kill()
    up.process.wait()
    assert alive(left) == set(left)
    up.start()
    assert alive(left) == set()
    assert up.healthz() == 200


def test_the_demo_runs_the_main_job_on_a_stack_of_its_own(tmp_path: Path) -> None:
    environment = {**bare_environment(), "TMPDIR": str(tmp_path)}
    told = subprocess.run([*TURNSTONE, "demo"], env=environment, capture_output=True, text=True, timeout=100)
    assert told.returncode == 0, told.stderr
    for promise in ("returned after", "live", "dropped", "none missing or doubled", "cancelled", "stored", "remembers"):
        assert promise in told.stdout
    assert "queued → in_progress → completed" in told.stdout
    assert list(tmp_path.iterdir()) == []
