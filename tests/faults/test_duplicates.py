"""Messages that come twice, late or from nowhere (G8), turns that kill their workers (G9), keys used at once (G23)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import Response

from shared.queue import celery_app
from shared.settings import Settings
from tests.faults.checker import check_turn
from tests.faults.site import Site, gate, voices
from tests.raw_http import RawStream

MESSAGES = 20
POSTS = 50
TASK = "turnstone.run_turn"


def test_messages_that_are_doubled_late_or_foreign_do_nothing(site: Site, redis_url: str, topic: str) -> None:
    """G8: by the message before the claim, during the run and after the end; one call of the model."""
    voices(site.upstream, topic, gates=[3])
    broker = celery_app(Settings(redis_url=redis_url, key_prefix=site.key_prefix))
    response_id = site.background(topic)

    def send(*arguments: Any) -> None:
        broker.send_task(TASK, args=list(arguments), queue="default", ignore_result=True)

    for _ in range(MESSAGES):
        send(response_id)
    site.upstream.wait_at(gate(topic, 3))
    for foreign in (response_id, f"resp_{uuid4().hex}", "resp_'; --", "", None, 7, [response_id], {"id": response_id}):
        send(foreign)
    send()
    send(response_id, response_id)
    site.upstream.open(gate(topic, 3))
    assert site.ended(response_id)["status"] == "completed"
    for _ in range(MESSAGES):
        send(response_id)
    after = site.background(f"after {topic}")
    assert site.ended(after)["status"] == "completed"  # by workers that are alive and well
    assert check_turn(site.database, response_id)["turnstone"]["attempts"] == 1
    assert len(site.upstream.calls_with(topic)) == 2
    assert all(worker.alive for worker in site.stack.workers)
    broker.close()


@pytest.mark.parametrize("shared_site", ["postgres"], indirect=True)
def test_a_turn_that_kills_its_worker_each_time_is_tried_three_times(site: Site, topic: str) -> None:
    """G9"""
    voices(site.upstream, topic, gates=[0])
    site.stop_at("after the claim")
    response_id = site.background(topic)
    for attempt in (1, 2, 3):
        worker = site.frozen_worker()
        assert site.row(response_id).attempt == attempt
        site.stop_at("after the claim")
        worker.kill()
        worker.start()
    body = site.ended(response_id)
    assert (body["status"], body["turnstone"]["attempts"]) == ("failed", 3)
    check_turn(site.database, response_id)
    assert site.upstream.calls_with(topic) == []


def test_many_posts_with_one_key_make_one_turn(site: Site, topic: str) -> None:
    """G23: on both processes at once."""
    key = uuid4().hex
    answers = at_once(lambda number: site.post(topic, number % 2, key=key, background=True))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers][:3]
    (response_id,) = {answer.json()["id"] for answer in answers}
    assert site.ended(response_id)["status"] == "completed"
    assert len(site.upstream.calls_with(topic)) == 1
    assert site.post(topic, key=key, background=True).json()["id"] == response_id
    other = site.post(f"other {topic}", key=key, background=True)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_many_foreground_posts_with_one_key_get_one_answer(site: Site, topic: str) -> None:
    """G23: each is answered at the end of the one turn."""
    key = uuid4().hex
    answers = at_once(lambda number: site.post(topic, number % 2, key=key))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers][:3]
    (body,) = {answer.text for answer in answers}
    assert topic in body
    assert len(site.upstream.calls_with(topic)) == 1


def test_many_conversations_with_one_key_are_one(site: Site, topic: str) -> None:
    """G23"""
    key = {"idempotency-key": uuid4().hex}

    def make(number: int) -> Response:
        body = {"metadata": {"topic": topic}}
        return site.http.post(f"{site.urls[number % 2]}/conversations", json=body, headers=key)

    answers = at_once(make)
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers][:3]
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = site.http.post(f"{site.urls[0]}/conversations", json={"metadata": {}}, headers=key)
    assert other.status_code == 422


def test_a_foreground_turn_with_a_key_outlives_its_connection(site: Site, topic: str) -> None:
    """G23: the repeat joins the turn, on the other process."""
    key = {"idempotency-key": uuid4().hex}
    voices(site.upstream, topic, gates=[3])
    body = {"model": "m", "input": topic, "stream": True}
    with RawStream.post(site.urls[0], "/responses", body, key) as left:
        seen = left.until("response.output_text.delta")
    call = site.upstream.wait_at(gate(topic, 3))
    with RawStream.post(site.urls[1], "/responses", body, key) as joined:
        assert joined.next_event()["response"]["id"] == seen[0]["response"]["id"]
        assert not call.closed_by_client
        site.upstream.open(gate(topic, 3))
        list(joined.events())
    assert check_turn(site.database, seen[0]["response"]["id"])["status"] == "completed"
    assert len(site.upstream.calls_with(topic)) == 1


def at_once(post: Any) -> list[Response]:
    with ThreadPoolExecutor(POSTS) as pool:
        return list(pool.map(post, range(POSTS)))
