"""/metrics of a `turnstone up` with several processes: figures add up, and the dead leave nothing under way."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.types.responses import ResponseStreamEvent

from tests.eventually import eventually
from tests.figures import Figures
from tests.up import Up, running_up

MODEL = "turnstone-demo"
PROCESSES, SLOTS = 2, 4


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Two API processes on one port, so that either may answer, and two workers."""
    settings = {
        "API_PROCESSES": PROCESSES,
        "WORKER_PROCESSES": PROCESSES,
        "WORKER_CONCURRENCY": SLOTS,
        "LEASE_SECONDS": 2,
        "SWEEP_SECONDS": 0.5,
    }
    with running_up(tmp_path_factory.mktemp("up"), **settings) as running:
        eventually(lambda: Figures.at(running.address).total("turnstone_worker_slots") == PROCESSES * SLOTS)
        yield running


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{up.address}/v1", api_key="unused", max_retries=0) as client:
        yield client


def figures(up: Up) -> Figures:
    return Figures.at(up.address)


def test_each_turn_is_counted_once_by_how_it_was_made_and_how_it_ended(up: Up, client: OpenAI) -> None:
    before = figures(up)
    for _ in range(2):
        client.responses.create(model=MODEL, input="count to 2")
    streamed = [list(client.responses.create(model=MODEL, input="count to 2", stream=True)) for _ in range(3)]
    for _ in range(4):
        client.responses.create(model=MODEL, input="count to 2", background=True, service_tier="flex")
    cancelled = cancelled_once_it_speaks(client)
    made = Counter(
        {
            ("completed", "foreground", MODEL, "default"): 2,
            ("completed", "foreground_stream", MODEL, "default"): 3,
            ("completed", "background", MODEL, "flex"): 4,
            ("cancelled", "background_stream", MODEL, "default"): 1,
        }
    )
    accepted = Counter({(mode, tier): count for (_, mode, _, tier), count in made.items()})
    replayed = list(client.responses.retrieve(cancelled[0].response.id, stream=True))
    delivered = sum(map(len, [*streamed, cancelled, replayed]))
    rises(up, before, "turnstone_turns_ended_total", made, "status", "mode", "model", "tier")
    rises(up, before, "turnstone_turns_accepted_total", accepted, "mode", "tier")
    rises(up, before, "turnstone_turn_wait_seconds_count", Counter({("default",): 6, ("flex",): 4}), "tier")
    rises(up, before, "turnstone_events_delivered_total", Counter({(): delivered}))
    rises(up, before, "turnstone_upstream_calls_total", Counter({("default",): made.total()}), "upstream")
    assert figures(up).total("turnstone_tokens_total", direction="output", model=MODEL) > 0
    eventually(lambda: figures(up).total("turnstone_worker_turns") == 0)
    eventually(lambda: figures(up).total("turnstone_open_streams") == 0)


def cancelled_once_it_speaks(client: OpenAI) -> list[ResponseStreamEvent]:
    """All events of a turn that a worker had taken when it was cancelled."""
    events = client.responses.create(model=MODEL, input="count to 9999", background=True, stream=True)
    read = [next(events)]
    while read[-1].type != "response.output_text.delta":
        read.append(next(events))
    client.responses.cancel(read[0].response.id)
    return [*read, *events]


def test_a_model_that_no_server_names_has_no_label_of_its_own(up: Up, client: OpenAI) -> None:
    client.responses.create(model="a-name-of-the-client", input="count to 2")
    eventually(lambda: figures(up).total("turnstone_turns_ended_total", model="other") >= 1)
    models = {labels["model"] for labels, _ in figures(up).samples("turnstone_turns_ended_total")}
    assert models == {MODEL, "other"}


def test_a_killed_worker_leaves_nothing_under_way(up: Up, client: OpenAI) -> None:
    made = [
        client.responses.create(model=MODEL, input="count to 9999", background=True).id for _ in range(SLOTS + 2)
    ]  # too many for one
    eventually(lambda: figures(up).total("turnstone_worker_turns") == len(made))
    os.kill(up.processes["worker-1"], signal.SIGKILL)
    eventually(lambda: figures(up).total("turnstone_worker_slots") == SLOTS)
    left = figures(up)
    assert left.total("turnstone_worker_turns") < len(made)
    eventually(lambda: figures(up).total("turnstone_running_turns") == len(made))
    for response_id in made:
        client.responses.cancel(response_id)
    eventually(lambda: figures(up).total("turnstone_worker_slots") == PROCESSES * SLOTS, 30)
    eventually(lambda: figures(up).total("turnstone_running_turns") == 0)
    eventually(lambda: figures(up).total("turnstone_worker_turns") == 0)


def rises(up: Up, before: Figures, name: str, by: Counter[Any], *labels: str) -> None:
    """Waits until the counter has risen by this much: a process counts after it has answered."""
    eventually(lambda: figures(up).by(name, *labels) - before.by(name, *labels) == by, what=f"{name} to rise by {by}")
