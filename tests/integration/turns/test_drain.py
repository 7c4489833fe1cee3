"""A worker that stops parts from its turns: another runs anew what nobody has seen, the rest ends (G5, G11)."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from shared.cli.embedded_valkey import EmbeddedValkey
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.settings import Settings
from shared.store.engine import Database
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.stored_turns import change, claim, claimed, create, row, said
from tests.upstream_steps import Done, Finish, Gate, Say
from workers import drain, turn_runner
from workers.attempt import Attempt
from workers.runtime import WorkerRuntime

TURNS = 20

Run = Future[Outcome | None]


@contextmanager
def running(
    runtime: WorkerRuntime, upstream: ScriptedUpstream, topic: str, *, seen: bool
) -> Iterator[tuple[Turn, Run]]:
    """A turn in the middle of its answer."""
    upstream.script(topic, [Say("half"), Gate(topic), Say("whole"), Finish(), Done()])
    turn = create(runtime.database, [said(topic)], stream=seen)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(turn_runner.run, runtime, turn.id)
        try:
            upstream.wait_at(topic)
            eventually(lambda: row(runtime.database, turn.id)["output_started"])
            yield turn, run
        finally:
            upstream.open(topic)


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
def test_what_was_seen_ends_and_the_rest_runs_anew(
    runtime: WorkerRuntime, upstream: ScriptedUpstream, key_prefix: str, seen: bool
) -> None:
    with running(runtime, upstream, key_prefix, seen=seen) as (turn, run):
        (attempt,) = runtime.running()
        drain._part(runtime, attempt)
        assert run.result(10) is None
        upstream.calls_with(key_prefix)[0].wait_closed_by_client()
    runtime.enders.shutdown()
    stored = row(runtime.database, turn.id)
    assert (stored["status"], stored["attempt"]) == ((Status.FAILED, 2) if seen else (Status.IN_PROGRESS, 1))
    assert (claim(runtime.database, turn.id) is None) == seen
    assert runtime.running() == []


def test_it_parts_from_all_at_once_while_redis_hangs(
    sqlite_database_url: str, own_valkey: EmbeddedValkey, key_prefix: str, upstream: ScriptedUpstream
) -> None:
    """More than can wait together: each end is decided before any waits, and is written before the process is gone."""
    settings = Settings(
        database_url=sqlite_database_url,
        redis_url=own_valkey.url,
        key_prefix=key_prefix,
        upstream_base_url=upstream.base_url,
    )
    runtime = WorkerRuntime(settings)
    turns = [claimed(runtime.database, stream=True) for _ in range(TURNS)]
    for turn in turns:
        change(runtime.database, turn.id, side_effects=True)
        runtime.add(Attempt(turn, runtime.publisher, runtime.start_output))
    with paused(own_valkey):
        for attempt in runtime.running():
            drain._part(runtime, attempt)
        decided = [row(runtime.database, turn.id) for turn in turns]
        assert [one["ending"] for one in decided] == ["failed"] * TURNS
        assert [one["status"] for one in decided] == [Status.IN_PROGRESS] * TURNS
        assert runtime.running() == []
    runtime.close()
    database = Database(sqlite_database_url)
    assert [row(database, turn.id)["status"] for turn in turns] == [Status.FAILED] * TURNS
    database.close()


@contextmanager
def paused(server: EmbeddedValkey) -> Iterator[None]:
    assert server._process is not None
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server._process.pid, signal.SIGCONT)
