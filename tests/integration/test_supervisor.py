"""The supervisor with small real processes: order, restarts, deadlines, and what a killed supervisor leaves behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from shared.cli.child import ProcessSpec, RestartPolicy
from shared.cli.errors import CommandError
from shared.cli.process_table import ProcessTable
from shared.cli.supervisor import Supervisor

DEADLINE_SECONDS = 20
QUICK = RestartPolicy(first_delay_seconds=0.01, settled_seconds=0.2)

# A process that notes its start and its end in a file they all share.
POLITE = """
import os, signal, sys
def note(what):
    with open(sys.argv[1], "a") as file:
        file.write(f"{what} {sys.argv[2]}\\n")
def end(*_):
    note("ended")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
note("started")
while True:
    signal.pause()
"""
STUBBORN = POLITE.replace("signal.SIGTERM, end", "signal.SIGTERM, signal.SIG_IGN")
HOPELESS = "import sys; sys.exit(3)"

ABANDONED = """
import asyncio, os, sys
from pathlib import Path
from shared.cli.child import ProcessSpec
from shared.cli.process_table import ProcessTable
from shared.cli.supervisor import Supervisor
directory, code = Path(sys.argv[1]), sys.argv[2]
specs = [ProcessSpec(n, [sys.executable, "-c", code, str(directory / "journal"), n], dict(os.environ)) for n in "ab"]
supervisor = Supervisor([specs], ProcessTable(directory / "processes.json"), print)
asyncio.run(supervisor.run(on_ready=lambda: None, on_stop=lambda: None))
"""


class Stand:
    """A supervisor's surroundings: the journal its processes write, its process table, and what it said."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.table = ProcessTable(directory / "processes.json")
        self.said: list[str] = []

    @property
    def journal(self) -> list[str]:
        path = self.directory / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def spec(self, name: str, code: str = POLITE, stop_seconds: float = 10) -> ProcessSpec:
        async def started() -> bool:
            return f"started {name}" in self.journal

        command = [sys.executable, "-c", code, str(self.directory / "journal"), name]
        return ProcessSpec(name, command, dict(os.environ), stop_seconds, ready=started)

    def supervisor(self, *stages: list[ProcessSpec], policy: RestartPolicy = QUICK) -> Supervisor:
        return Supervisor(stages, self.table, self.said.append, policy)

    def pid(self, name: str) -> int:
        rows = json.loads((self.directory / "processes.json").read_text())
        return next(row["pid"] for row in rows if row["name"] == name)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    yield Stand(tmp_path)
    ProcessTable(tmp_path / "processes.json").end_leftovers()


def run(supervisor: Supervisor, when_ready: Callable[[], None], on_stop: Callable[[], None] = lambda: None) -> None:
    async def within_deadline() -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await supervisor.run(on_ready=when_ready, on_stop=on_stop)

    asyncio.run(within_deadline())


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


async def eventually_then(holds: Callable[[], bool], act: Callable[[], None]) -> None:
    await asyncio.to_thread(eventually, holds)
    act()


def test_stages_start_in_order_and_end_in_the_reverse_order(stand: Stand) -> None:
    supervisor = stand.supervisor([stand.spec("valkey")], [stand.spec("worker")], [stand.spec("api")])
    run(supervisor, supervisor.stop)
    names = ["valkey", "worker", "api"]
    assert stand.journal == [f"started {name}" for name in names] + [f"ended {name}" for name in reversed(names)]


def test_the_stop_hook_runs_before_the_first_process_is_told_to_end(stand: Stand) -> None:
    supervisor = stand.supervisor([stand.spec("api")])
    before: list[list[str]] = []
    run(supervisor, supervisor.stop, on_stop=lambda: before.append(stand.journal))
    assert before == [["started api"]]


def test_a_process_that_dies_is_reported_and_started_again(stand: Stand) -> None:
    supervisor = stand.supervisor([stand.spec("worker")])
    waiting = []

    def kill_then_stop() -> None:
        os.kill(stand.pid("worker"), signal.SIGKILL)
        twice = eventually_then(lambda: stand.journal.count("started worker") == 2, supervisor.stop)
        waiting.append(asyncio.ensure_future(twice))

    run(supervisor, kill_then_stop)
    assert stand.journal == ["started worker", "started worker", "ended worker"]
    assert "worker died with signal SIGKILL; starting it again in 0.01 s" in stand.said


def test_a_process_that_never_gets_going_ends_the_whole_with_a_clear_message(stand: Stand) -> None:
    supervisor = stand.supervisor([stand.spec("valkey")], [stand.spec("api", HOPELESS)])
    with pytest.raises(CommandError, match="api died 3 times at start, last with exit code 3"):
        run(supervisor, lambda: pytest.fail("nothing was ready"))
    assert stand.journal == ["started valkey", "ended valkey"]


def test_a_process_that_once_settled_is_restarted_without_end(stand: Stand) -> None:
    dies_soon = POLITE.replace("while True:\n    signal.pause()", "os._exit(1)")
    policy = RestartPolicy(attempts=1, settled_seconds=0, first_delay_seconds=0.01)
    supervisor = stand.supervisor([stand.spec("worker", dies_soon)], policy=policy)
    waiting = []

    def stop_after_five_lives() -> None:
        five = eventually_then(lambda: stand.journal.count("started worker") >= 5, supervisor.stop)
        waiting.append(asyncio.ensure_future(five))

    run(supervisor, stop_after_five_lives)
    assert stand.said.count("worker died with exit code 1; starting it again in 0.01 s") >= 4


def test_the_wait_before_a_restart_doubles_up_to_half_a_minute() -> None:
    policy = RestartPolicy()
    assert [policy.delay_seconds(deaths) for deaths in (1, 2, 3, 7, 1000)] == [0.5, 1, 2, 30, 30]


def test_a_process_deaf_to_sigterm_is_killed_at_its_deadline(stand: Stand) -> None:
    supervisor = stand.supervisor([stand.spec("worker", STUBBORN, stop_seconds=0.1)])
    run(supervisor, supervisor.stop)
    assert "worker did not end within 0.1 s; killing it" in stand.said


def test_a_second_signal_ends_everything_at_once(stand: Stand) -> None:
    """And starts nothing again."""
    supervisor = stand.supervisor([stand.spec("valkey")], [stand.spec("worker", STUBBORN, stop_seconds=600)])

    def stop_twice() -> None:
        supervisor.stop()
        asyncio.get_running_loop().call_later(0.1, supervisor.stop)

    run(supervisor, stop_twice)
    assert stand.journal == ["started valkey", "started worker"]
    assert not [line for line in stand.said if "starting it again" in line]


def test_every_process_leads_its_own_session_so_that_ctrl_c_reaches_only_the_supervisor(stand: Stand) -> None:
    supervisor = stand.supervisor([stand.spec("worker")])
    sessions = []

    def look() -> None:
        sessions.append(os.getsid(stand.pid("worker")) == stand.pid("worker"))
        supervisor.stop()

    run(supervisor, look)
    assert sessions == [True]


@pytest.mark.parametrize("code", [POLITE, STUBBORN], ids=["polite", "stubborn"])
def test_what_a_killed_supervisor_leaves_running_is_ended_at_the_next_start(
    stand: Stand, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.cli.process_table.TERMINATE_SECONDS", 0.5)
    supervisor = subprocess.Popen([sys.executable, "-c", ABANDONED, str(stand.directory), code])
    eventually(lambda: len(stand.journal) == 2)
    pids = [stand.pid("a"), stand.pid("b")]
    supervisor.kill()
    supervisor.wait()
    assert all(psutil.pid_exists(pid) for pid in pids)

    assert sorted(stand.table.end_leftovers()) == ["a", "b"]
    assert not any(is_running(pid) for pid in pids)
    assert stand.table.end_leftovers() == []


def test_a_process_that_only_got_the_same_pid_is_left_alone(stand: Stand) -> None:
    with subprocess.Popen([sys.executable, "-c", POLITE, str(stand.directory / "journal"), "stranger"]) as stranger:
        row = {"name": "worker", "pid": stranger.pid, "create_time": time.time() - 3600}
        (stand.directory / "processes.json").write_text(json.dumps([row]))
        assert stand.table.end_leftovers() == []
        assert is_running(stranger.pid)
        stranger.kill()


def test_a_torn_process_table_stops_nothing(stand: Stand) -> None:
    (stand.directory / "processes.json").write_text('[{"name": "wor')
    assert stand.table.end_leftovers() == []


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
