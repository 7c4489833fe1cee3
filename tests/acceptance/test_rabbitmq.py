"""RabbitMQ as the broker, beside Redis: turns run, better tiers first, and nothing that dies loses one."""

import signal
from collections.abc import Callable, Iterator

import pytest
from openai import OpenAI

from shared.queue import Dispatcher
from shared.settings import Settings
from tests.acceptance.turns import answer, ended, script_gated
from tests.eventually import eventually
from tests.rabbitmq import SERVER, RabbitMq
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack, WorkerProcess

pytestmark = pytest.mark.skipif(SERVER is None, reason="no rabbitmq-server here")


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    with RabbitMq(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="module")
def stack(new_stack: Callable[..., Stack], rabbitmq: RabbitMq) -> Iterator[Stack]:
    """Two workers of one turn each."""
    settings = {"BROKER_URL": rabbitmq.url, "WORKER_CONCURRENCY": 1, "LEASE_SECONDS": 2, "SWEEP_SECONDS": 0.5}
    with new_stack(apis=1, workers=2, settings=settings) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[OpenAI]:
    with OpenAI(base_url=stack.url(), api_key="unused", max_retries=0) as sdk:
        yield sdk


def test_turns_of_every_mode_run(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer("Yes."))
    assert client.responses.create(model="m", input=topic).output_text == "Yes."
    with client.responses.stream(model="m", input=topic) as stream:
        assert [event.type for event in stream][-1] == "response.completed"
    turn = client.responses.create(model="m", input=topic, background=True)
    assert ended(client, turn.id).output_text == "Yes."


def test_a_full_worker_leaves_turns_to_others_and_better_tiers_go_first(
    client: OpenAI, stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    """Each worker holds one more than it runs: what was sent first."""

    def create(name: str, tier: str = "auto") -> str:
        return client.responses.create(model="m", input=f"{topic} {name}", background=True, service_tier=tier).id

    for name in ("one", "two"):
        script_gated(upstream, f"{topic} {name}")
        create(name)
        upstream.wait_at(f"{topic} {name}")
    turns = [create("held"), create("held too"), create("flex", "flex"), create("auto"), create("fast", "fast")]
    eventually(lambda: depth(stack) == 3, what="two of five to be held by the workers")
    upstream.open(f"{topic} one")
    for turn in turns:
        ended(client, turn)
    upstream.open(f"{topic} two")
    order = [call.last_user_text.removeprefix(f"{topic} ") for call in upstream.calls_with(topic)]
    assert [name for name in order if "held" not in name] == ["one", "two", "fast", "auto", "flex"]


def test_turns_of_a_killed_worker_run_elsewhere(
    client: OpenAI, stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic, before="")
    turns = [client.responses.create(model="m", input=topic, background=True).id for _ in range(4)]
    upstream.wait_for_calls(2, topic)
    stack.workers[0].kill()
    upstream.open(topic)
    assert [ended(client, turn).output_text for turn in turns] == ["Last."] * 4
    stack.workers[0].start()
    stack.workers[0].wait_ready()


def test_a_broker_that_dies_loses_nothing(
    client: OpenAI, rabbitmq: RabbitMq, upstream: ScriptedUpstream, topic: str
) -> None:
    """What is running goes on, what is new is accepted, all of it ends once there is a broker again."""
    script_gated(upstream, topic)
    running = client.responses.create(model="m", input=topic, background=True)
    upstream.wait_at(topic)
    rabbitmq.kill()
    accepted = [client.responses.create(model="m", input=topic, background=True) for _ in range(3)]
    upstream.open(topic)
    assert ended(client, running.id).output_text == "First. Last."
    rabbitmq.start()
    assert {ended(client, turn.id, 60).status for turn in accepted} == {"completed"}


def depth(stack: Stack) -> int:
    """How many messages wait in the broker."""
    names = ("redis_url", "broker_url", "key_prefix")
    dispatcher = Dispatcher(Settings(**{name: stack.environment[f"TURNSTONE_{name.upper()}"] for name in names}))
    try:
        return dispatcher.depth()
    finally:
        dispatcher.close()


def test_a_worker_takes_the_place_of_one_whose_connection_is_still_held(stack: Stack) -> None:
    frozen = stack.workers[0]
    frozen.signal(signal.SIGSTOP)
    successor = WorkerProcess(1, stack.environment, stack.directory / "data")
    successor.log.parent.mkdir(exist_ok=True)
    try:
        successor.start()
        successor.wait_ready()
        assert "ResourceLocked" not in successor.said
    finally:
        frozen.signal(signal.SIGCONT)
        successor.kill()
