"""What waits for a full worker: the better tier is taken first, and as soon as a turn ends (Q1)."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from openai import OpenAI
from openai.types.responses import Response

from shared.queue import Dispatcher
from shared.settings import PREFIX, Settings
from tests.acceptance.turns import answer, ended
from tests.eventually import eventually
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Gate

ASKED = {"flex": "flex", "auto": "default", "fast": "priority"}
TURNS = 20
# A second apiece is what they took when nothing woke the worker's loop.
SECONDS = 8


@pytest.fixture(scope="module")
def narrow(new_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """A server that runs one turn at a time."""
    with new_stack(apis=1, settings={"WORKER_CONCURRENCY": 1}) as stack:
        yield stack


@pytest.fixture
def sdk(narrow: Stack) -> Iterator[OpenAI]:
    with OpenAI(base_url=narrow.url(), api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
def ask(sdk: OpenAI, upstream: ScriptedUpstream, topic: str) -> Callable[..., Response]:
    """Asks for turns while the only place is taken, until the gate named by the topic opens."""
    upstream.script(f"{topic} busy", answer("First. ", Gate(topic), "Last."))
    sdk.responses.create(model="m", input=f"{topic} busy", background=True)
    upstream.wait_at(topic)

    def create(text: str, **fields: object) -> Response:
        return sdk.responses.create(model="m", input=f"{topic} {text}", background=True, **fields)  # type: ignore[call-overload,no-any-return]

    return create


def test_a_free_worker_takes_the_turns_of_the_better_tier_first(
    narrow: Stack, sdk: OpenAI, ask: Callable[..., Response], upstream: ScriptedUpstream, topic: str
) -> None:
    turns = {tier: ask(tier, service_tier=tier) for tier in ASKED}
    assert {tier: turn.service_tier for tier, turn in turns.items()} == ASKED
    eventually(lambda: waiting_in(narrow) == len(ASKED), what="the turns to be in the broker")
    upstream.open(topic)
    assert {tier: ended(sdk, turn.id).service_tier for tier, turn in turns.items()} == ASKED
    order = [call.last_user_text.removeprefix(f"{topic} ") for call in upstream.calls_with(topic)]
    assert order == ["busy", "fast", "auto", "flex"]


def test_turns_that_wait_for_a_full_worker_follow_one_another_at_once(
    sdk: OpenAI, ask: Callable[..., Response], upstream: ScriptedUpstream, topic: str
) -> None:
    """Not when its loop happens to wake."""
    upstream.script(f"{topic} next", answer("Done."))
    turns = [ask("next") for _ in range(TURNS)]
    upstream.open(topic)
    opened = time.monotonic()
    for turn in turns:
        assert ended(sdk, turn.id, seconds=60).status == "completed"
    assert time.monotonic() - opened < SECONDS


def waiting_in(stack: Stack) -> int:
    """How many messages the broker holds."""
    given = {name: stack.environment[f"{PREFIX}{name.upper()}"] for name in ("redis_url", "key_prefix")}
    with closing(Dispatcher(Settings(**given))) as dispatcher:
        return dispatcher.depth()
