"""A turn's service tier is its queue: `priority` before `default` before `flex`."""

from collections.abc import Callable
from contextlib import closing

from openai import OpenAI

from shared.queue import Dispatcher
from shared.settings import PREFIX, Settings
from tests.acceptance.turns import ended, script_gated
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack, eventually

ASKED = {"flex": "flex", "auto": "default", "fast": "priority"}


def test_a_free_worker_takes_the_turns_of_the_better_tier_first(
    new_stack: Callable[..., Stack], upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, f"{topic} busy")
    with (
        new_stack(apis=1, settings={"WORKER_CONCURRENCY": 1}) as stack,
        OpenAI(base_url=stack.url(), api_key="unused", max_retries=0) as client,
    ):
        client.responses.create(model="m", input=f"{topic} busy", background=True)
        upstream.wait_at(f"{topic} busy")
        turns = {
            tier: client.responses.create(model="m", input=f"{topic} {tier}", background=True, service_tier=tier)
            for tier in ASKED
        }
        assert {tier: turn.service_tier for tier, turn in turns.items()} == ASKED
        eventually(lambda: waiting_in(stack) == len(ASKED), what="the turns to be in the broker")
        upstream.open(f"{topic} busy")
        assert {tier: ended(client, turn.id).service_tier for tier, turn in turns.items()} == ASKED
    order = [call.last_user_text.removeprefix(f"{topic} ") for call in upstream.calls_with(topic)]
    assert order == ["busy", "fast", "auto", "flex"]


def waiting_in(stack: Stack) -> int:
    """How many messages the broker holds."""
    given = {name: stack.environment[f"{PREFIX}{name.upper()}"] for name in ("redis_url", "key_prefix")}
    with closing(Dispatcher(Settings(**given))) as dispatcher:
        return dispatcher.depth()
