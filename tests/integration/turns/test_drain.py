"""A worker that stops parts from its turns: another runs anew what nobody has seen, the rest ends (G5, G11)."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.stored_turns import claim, create, row, said
from tests.upstream_steps import Done, Finish, Gate, Say
from workers import drain, turn_runner
from workers.runtime import WorkerRuntime

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
