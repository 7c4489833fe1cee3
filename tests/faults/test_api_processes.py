"""An API process that dies or stops (G17, G11): its readers go on elsewhere, what only it could answer is ended."""

import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.acceptance.turns import ACTIVE
from tests.eventually import eventually
from tests.faults.checker import check_turn, text_of
from tests.faults.history import Follower
from tests.faults.site import WAIT_SECONDS, Site, gate, has_ended, voices

DEAD_SECONDS = 20.0
CLIENTS = 4
# A load, not a flood: the processes that start need the same processors.
_PACE_SECONDS = 0.1


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_background_stream_resumes_on_the_other_process(site: Site, topic: str, how: str) -> None:
    """G17"""
    voices(site.upstream, topic, gates=[3])
    follower = Follower.post(site.urls, {"model": "m", "input": topic, "background": True})
    follower.wait_for(6)
    api = site.stack.apis[0]
    api.kill() if how == "killed" else api.signal(signal.SIGTERM)
    eventually(lambda: follower.resumed > 0, WAIT_SECONDS, "the reader to go elsewhere")
    site.upstream.open(gate(topic, 3))
    body = check_turn(site.database, follower.response_id, [follower.end()])
    assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 1)
    api.wait(10)


@pytest.mark.parametrize("shared_site", ["postgres"], indirect=True)
def test_the_foreground_turns_of_a_dead_process_are_cancelled(site: Site, topic: str) -> None:
    """G17, streamed and not; a turn with an idempotency key waits for its caller."""
    voices(site.upstream, topic, gates=[3])
    body = {"model": "m", "input": topic}
    posting = [threading.Thread(target=cut_off, args=(site, body | more)) for more in ({}, {"stream": True})]
    for thread in posting:
        thread.start()
    calls = site.upstream.wait_for_calls(2, topic)
    killed = time.time()
    site.stack.apis[0].kill()
    for call in calls:
        call.wait_closed_by_client(WAIT_SECONDS)
    for thread in posting:
        thread.join()
    turns = site.ids("waiter IS NOT NULL AND status != 'completed'")[-2:]
    eventually(lambda: all(site.row(one).status == "cancelled" for one in turns), WAIT_SECONDS, "the cancels")
    for response_id in turns:
        assert site.row(response_id).ended_at - killed < DEAD_SECONDS
        check_turn(site.database, response_id)


def cut_off(site: Site, body: dict[str, object]) -> None:
    """A caller whose connection breaks."""
    with httpx2.Client(timeout=30) as http, pytest.raises(httpx2.TransportError):
        http.post(f"{site.urls[0]}/responses", json=body)


@pytest.mark.parametrize("shared_site", ["postgres"], indirect=True)
def test_a_rolling_restart_loses_nothing_and_doubles_nothing(site: Site, topic: str) -> None:
    """G11: every process is stopped and started in turn, under a load of turns that are polled.

    Clients know both addresses and go to the other one when a connection is refused, and only then.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(load, site, f"{topic}-{number}", stop) for number in range(CLIENTS)]
        try:
            for process in [*site.stack.workers, *site.stack.apis]:
                process.stop()
                process.start()
                process.wait_ready()
        finally:
            stop.set()
        turns = [turn for client in clients for turn in client.result()]
    assert len(turns) > CLIENTS
    for response_id, asked in turns:
        body = check_turn(site.database, response_id)
        assert (body["status"], text_of(body)) == ("completed", asked)
    assert len(site.upstream.calls_with(topic)) <= len(turns) + CLIENTS


def load(site: Site, name: str, stop: threading.Event) -> list[tuple[str, str]]:
    """Make turn after turn and poll each to its end; ids, and what each was asked to say."""
    turns = []
    with httpx2.Client(timeout=20) as http:
        while not stop.wait(_PACE_SECONDS):
            asked = f"{name}-{len(turns)} says one two three"
            made = answered(http, "POST", site.urls, "", {"model": "m", "input": asked, "background": True})
            turns.append((made["id"], asked))
            eventually(
                lambda one=made["id"]: has_ended(answered(http, "GET", site.urls, f"/{one}")), WAIT_SECONDS, name
            )
    return turns


def answered(
    http: httpx2.Client, method: str, urls: list[str], path: str, body: dict[str, object] | None = None
) -> dict[str, Any]:
    """The answer of the first process that takes the connection; any error of a process is one of ours."""
    for url in random.sample(urls, len(urls)):
        try:
            answer = http.request(method, f"{url}/responses{path}", json=body)
        except httpx2.ConnectError:
            continue
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found
    raise AssertionError("no process takes connections")


@pytest.mark.parametrize("races", [50, pytest.param(250, marks=[pytest.mark.release, pytest.mark.timeout(600)])])
def test_a_cancel_that_was_acknowledged_stands(site: Site, topic: str, races: int) -> None:
    """G20: cancels at random moments around the end; on each database half of the races."""
    chance = random.Random(races)

    def race(number: int) -> str:
        name = f"{topic}-{number}"
        words = " ".join(["word"] * chance.randrange(1, 40))
        response_id = site.background(f"{name} {words}", number % 2)
        deadline = time.monotonic() + chance.uniform(0, 0.12)
        eventually(lambda: time.monotonic() >= deadline or site.get(response_id)["status"] not in ACTIVE)
        answer = site.http.post(f"{site.urls[(number + 1) % 2]}/responses/{response_id}/cancel")
        eventually(lambda: site.row(response_id).status not in ACTIVE, 10, "the end")
        body = check_turn(site.database, response_id)
        if answer.status_code == 200:
            assert (answer.json()["status"], body["status"]) == ("cancelled", "cancelled")
            assert site.get(response_id)["status"] == "cancelled"
        else:
            assert (answer.status_code, body["status"]) == (400, "completed"), answer.text
            assert answer.json()["error"]["message"] == "Cannot cancel a completed response."
        return str(body["status"])

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(race, range(races)))
    assert set(ends) == {"cancelled", "completed"}, "the moments were badly chosen"
