"""`turnstone up` and `turnstone demo` as a person runs them: the real parts, ended and left behind in every way."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.up import START_SECONDS, TURNSTONE, Up, bare_environment, running_up

STOP_SECONDS = 30


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
