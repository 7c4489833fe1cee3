"""Q1: a worker that was full takes the next turn when one ends, not when its loop happens to wake."""

import time
from collections.abc import Callable

from openai import OpenAI

from tests.acceptance.turns import answer, ended, script_gated
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack

TURNS = 20
# A second apiece is what they took when nothing woke the loop.
SECONDS = 8


def test_turns_that_wait_for_a_full_worker_follow_one_another_at_once(
    new_stack: Callable[..., Stack], upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, f"{topic} busy")
    upstream.script(f"{topic} next", answer("Done."))
    with (
        new_stack(apis=1, settings={"WORKER_CONCURRENCY": 1}) as stack,
        OpenAI(base_url=stack.url(), api_key="unused", max_retries=0) as client,
    ):
        client.responses.create(model="m", input=f"{topic} busy", background=True)
        upstream.wait_at(f"{topic} busy")
        turns = [client.responses.create(model="m", input=f"{topic} next", background=True) for _ in range(TURNS)]
        upstream.open(f"{topic} busy")
        opened = time.monotonic()
        for turn in turns:
            assert ended(client, turn.id, seconds=60).status == "completed"
        assert time.monotonic() - opened < SECONDS
