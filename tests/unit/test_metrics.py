"""What is counted, and under which labels: none is the client's to choose, and each that is known begins at 0."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg.errors
import pytest
from prometheus_client import Metric
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.core.turn import Outcome
from shared.core.turn_status import Status
from shared.errors import UpstreamError, UpstreamFault
from shared.exposition import MULTIPROC_DIR, AllProcesses, exposition
from shared.metrics import MODES, mode_of
from shared.model_labels import OTHER, ModelLabels
from shared.store.sql_failures import SqlFailure, failure_of
from shared.turns import turn_figures
from shared.turns.recovery import Recovery
from shared.turns.sweeper import Chore
from shared.upstream import failures
from tests.figures import Figures
from tests.stored_turns import new_turn

PROCESS = """
import os, signal, sys
from shared.metrics import EVENTS_PUBLISHED, WORKER_TURNS
EVENTS_PUBLISHED.inc(3)
WORKER_TURNS.inc(2)
print("counted", flush=True)
if "die" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
"""


def figures() -> Figures:
    return Figures.of(exposition().decode())


@pytest.mark.parametrize(
    ("background", "stream", "mode"),
    [(False, False, MODES[0]), (False, True, MODES[1]), (True, False, MODES[2]), (True, True, MODES[3])],
)
def test_a_mode_says_how_the_caller_wanted_it(background: bool, stream: bool, mode: str) -> None:
    assert mode_of(new_turn(background=background, stream=stream)) == mode
    assert mode == ("background" if background else "foreground") + "_stream" * stream


def test_models_that_nobody_has_named_are_all_the_same_one() -> None:
    labels = ModelLabels()
    labels.learn(["llama"])
    assert [labels.of(name) for name in ("llama", "what a client says", None)] == ["llama", OTHER, OTHER]


def test_however_many_models_servers_name_their_labels_are_bounded() -> None:
    labels = ModelLabels()
    for start in range(0, 200, 10):
        labels.learn(f"{start + number}" for number in range(10))
    labels.learn(["x" * 1000])
    known = {labels.of(f"{number}") for number in range(200)}
    assert known == {f"{number}" for number in range(50)} | {OTHER}
    assert labels.of("x" * 1000) == OTHER


def test_counts_of_closed_sets_begin_at_0() -> None:
    found = figures()
    for name, labels in {
        "turnstone_recoveries_total": {"kind": Recovery.RESTARTED},
        "turnstone_sweeper_chores_total": {"chore": Chore.PURGE},
        "turnstone_fenced_writes_total": {"write": "finish"},
        "turnstone_sql_errors_total": {"kind": SqlFailure.REFUSED_WRITE},
        "turnstone_redis_errors_total": {"use": "publish"},
        "turnstone_turns_accepted_total": {"mode": MODES[0], "tier": "flex"},
        "turnstone_turns_ended_total": {"status": "failed", "mode": MODES[0], "model": OTHER, "tier": "default"},
        "turnstone_first_delta_seconds_count": {"tier": "priority"},
    }.items():
        assert found.samples(name), name
        assert found.total(name, **labels) >= 0


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": -5, "output_tokens": 7}, {"input_tokens": None}])
def test_whatever_a_model_server_says_it_used_the_end_is_counted(usage: dict[str, int] | None) -> None:
    turn = new_turn(request={"model": "unheard of", "service_tier": "fast"})
    before = figures()
    turn_figures.ended(turn, Outcome(status=Status.FAILED, at=0.0, usage=usage))
    rise = figures().by("turnstone_turns_ended_total", "status", "mode", "model", "tier")
    rise -= before.by("turnstone_turns_ended_total", "status", "mode", "model", "tier")
    assert rise == {("failed", "background", OTHER, "priority"): 1}


def test_a_wait_is_between_two_times_of_one_clock() -> None:
    turn = new_turn(dispatched_at=10.0, started_at=12.5)
    before = figures().total("turnstone_turn_wait_seconds_sum", tier="default")
    turn_figures.claimed(turn)
    assert figures().total("turnstone_turn_wait_seconds_sum", tier="default") - before == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("original", "kind"),
    [
        (psycopg.errors.ReadOnlySqlTransaction(), SqlFailure.REFUSED_WRITE),
        (psycopg.errors.DiskFull(), SqlFailure.REFUSED_WRITE),
        (psycopg.errors.TooManyConnections(), SqlFailure.NO_CONNECTION),
        (psycopg.errors.DeadlockDetected(), SqlFailure.CONFLICT),
        (psycopg.OperationalError("connection refused"), SqlFailure.UNREACHABLE),
    ],
)
def test_failures_of_postgres_are_told_apart(original: Exception, kind: SqlFailure) -> None:
    assert failure_of(OperationalError("SELECT 1", {}, original)) is kind


def test_failures_of_sqlite_are_told_apart(tmp_path: Path) -> None:
    readonly = f"file:{tmp_path / 'db'}?mode=ro"
    sqlite3.connect(tmp_path / "db").execute("CREATE TABLE t (x)").connection.close()
    connection = sqlite3.connect(readonly, uri=True)
    with pytest.raises(sqlite3.OperationalError) as refused:
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    assert failure_of(OperationalError("", {}, refused.value)) is SqlFailure.REFUSED_WRITE


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (failures.unreachable(), UpstreamFault.UNREACHABLE),
        (failures.cut(), UpstreamFault.CUT),
        (failures.for_status(401), UpstreamFault.CREDENTIALS),
        (failures.for_status(404), UpstreamFault.REJECTED),
        (failures.for_status(429), UpstreamFault.RATE_LIMITED),
        (failures.for_status(503), UpstreamFault.SERVER_ERROR),
        (failures.for_status(400, {"code": "context_length_exceeded"}), UpstreamFault.OVERFLOW),
        (failures.reported({"code": 429}), UpstreamFault.RATE_LIMITED),
        (failures.reported("whatever"), UpstreamFault.SERVER_ERROR),
    ],
)
def test_faults_of_model_servers_are_told_apart(error: UpstreamError, fault: UpstreamFault) -> None:
    assert error.fault is fault


def test_what_is_no_outage_is_counted_as_such() -> None:
    assert failure_of(PoolTimeout()) is SqlFailure.NO_CONNECTION
    assert failure_of(IntegrityError("", {}, Exception())) is SqlFailure.OTHER
    assert failure_of(DBAPIError("", {}, Exception(), connection_invalidated=True)) is SqlFailure.UNREACHABLE


def test_the_dead_leave_what_they_counted_and_nothing_under_way(tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").touch()  # of a process that has only just made it
    with process(tmp_path) as living, process(tmp_path, "die") as dead:
        dead.wait(10)
        assert sums(tmp_path) == {"turnstone_events_published": 6, "turnstone_worker_turns": 2}
        living.kill()
        living.wait(10)
        assert sums(tmp_path) == {"turnstone_events_published": 6}


def process(directory: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """One that has counted."""
    started = subprocess.Popen(
        [sys.executable, "-c", PROCESS, *arguments],
        env={MULTIPROC_DIR: str(directory), "PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert started.stdout
    assert started.stdout.readline() == b"counted\n"
    return started


def sums(directory: Path) -> dict[str, float]:
    def total(metric: Metric) -> float:
        return sum(sample.value for sample in metric.samples)

    counted = {metric.name: total(metric) for metric in AllProcesses(directory).collect()}
    return {name: value for name, value in counted.items() if value}
