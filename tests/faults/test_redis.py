"""Redis killed, paused or flushed, at any time: no accepted turn is lost (G6, G15)."""

import time
from collections.abc import Iterator

import pytest

from shared.cli.embedded_valkey import EmbeddedValkey
from tests.faults.checker import check_turn, text_of
from tests.faults.conftest import NewSite
from tests.faults.faulty_redis import FaultyRedis
from tests.faults.history import Follower
from tests.faults.site import Site, gate, voices
from tests.raw_http import RawStream
from tests.stack import eventually

ANSWER_SECONDS = 0.5
RUN_SECONDS = 8.0
UNCLAIMED_SECONDS = 3

AWAY = ["killed", "paused"]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyRedis]:
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield FaultyRedis(server)
    server.stop()


@pytest.fixture(scope="module")
def site(new_site: NewSite, redis: FaultyRedis) -> Iterator[Site]:
    made = new_site(redis.url, FOREGROUND_QUEUE_SECONDS=UNCLAIMED_SECONDS)
    with made.stack:
        yield made
    made.close()


@pytest.mark.parametrize("how", AWAY)
def test_a_turn_posted_meanwhile_is_stored_at_once_and_runs_when_redis_is_back(
    site: Site, redis: FaultyRedis, topic: str, how: str
) -> None:
    turns = []
    with redis.away(how):
        for api in (0, 1, 0, 1):
            begun = time.monotonic()
            turns.append(site.background(topic, api))
            assert site.get(turns[-1], api)["status"] == "queued"
            assert time.monotonic() - begun < ANSWER_SECONDS
    for response_id in turns:
        assert site.ended(response_id, RUN_SECONDS)["status"] == "completed"
        assert text_of(check_turn(site.database, response_id)) == topic
    assert len(site.upstream.calls_with(topic)) == len(turns)


@pytest.mark.parametrize("how", [*AWAY, "flushed"])
def test_a_live_stream_goes_on_to_its_proper_end(site: Site, redis: FaultyRedis, topic: str, how: str) -> None:
    """The turn ends in SQL, and that is where its readers find the rest."""
    voices(site.upstream, topic, gates=[3])
    followers = [Follower.post(site.urls, {"model": "m", "input": topic, "background": True})]
    site.upstream.wait_at(gate(topic, 3))
    followers.append(Follower.get(site.urls[::-1], followers[0].response_id))
    for follower in followers:
        follower.wait_for(6)
    with redis.away(how):
        site.upstream.open(gate(topic, 3))
        streams = [follower.end() for follower in followers]
    body = check_turn(site.database, followers[0].response_id, streams)
    assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 1)


@pytest.mark.parametrize("how", [*AWAY, "flushed"])
def test_a_live_stream_outlives_a_redis_that_comes_back(site: Site, redis: FaultyRedis, topic: str, how: str) -> None:
    voices(site.upstream, topic, gates=[3, 6])
    follower = Follower.post(site.urls, {"model": "m", "input": topic, "background": True})
    site.upstream.wait_at(gate(topic, 3))
    with redis.away(how):
        site.upstream.open(gate(topic, 3))
        site.upstream.wait_at(gate(topic, 6))
    follower.wait_for(10)  # live again, before the end
    site.upstream.open(gate(topic, 6))
    body = check_turn(site.database, follower.response_id, [follower.end()])
    assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 1)


def test_after_a_flush_new_turns_run_as_before(site: Site, redis: FaultyRedis, topic: str) -> None:
    """The broker's own bookkeeping is gone as well, and no process has noticed."""
    redis.flush()
    turns = [site.background(topic, api) for api in (0, 1)]
    for response_id in turns:
        assert site.ended(response_id, RUN_SECONDS)["status"] == "completed"


def test_turns_that_were_queued_when_redis_forgot_them_run(site: Site, redis: FaultyRedis, topic: str) -> None:
    for worker in site.stack.workers:
        worker.stop()
    turns = [site.background(topic, api) for api in (0, 1) * 10]
    redis.flush()
    site.heal()
    for response_id in turns:
        assert site.ended(response_id, RUN_SECONDS)["status"] == "completed"
    assert len(site.upstream.calls_with(topic)) == len(turns)


@pytest.mark.parametrize("how", AWAY)
def test_streams_opened_meanwhile_begin_and_end(site: Site, redis: FaultyRedis, topic: str, how: str) -> None:
    """G15: none waits for another's failing Redis; each shows its id in time, and its end from SQL."""
    voices(site.upstream, topic, gates=[3])
    running = [site.background(topic) for _ in range(6)]
    site.upstream.wait_for_calls(6, topic)
    with redis.away(how):
        begun = time.monotonic()
        followers = [Follower.get(site.urls[number % 2 :], one) for number, one in enumerate(running)]
        followers += [Follower.post(site.urls, {"model": "m", "input": topic, "background": True}) for _ in range(6)]
        for follower in followers:
            assert follower.response_id
        assert time.monotonic() - begun < 6
        site.upstream.open(gate(topic, 3))
        streams = {follower.response_id: follower.end() for follower in followers[:6]}
    for follower in followers[6:]:
        streams[follower.response_id] = follower.end()
    for response_id, events in streams.items():
        assert check_turn(site.database, response_id, [events])["status"] == "completed"


@pytest.mark.parametrize("how", AWAY)
def test_cancel_and_delete_work_meanwhile(site: Site, redis: FaultyRedis, topic: str, how: str) -> None:
    """Nothing tells the worker; its next renewal does."""
    voices(site.upstream, topic, gates=[3])
    response_id = site.background(topic)
    call = site.upstream.wait_at(gate(topic, 3))
    with redis.away(how):
        answer = site.http.post(f"{site.urls[1]}/responses/{response_id}/cancel")
        assert answer.json()["status"] == "cancelled"
        call.wait_closed_by_client()
        eventually(lambda: site.row(response_id).status == "cancelled", 10, "the end to be written")
        check_turn(site.database, response_id)
        assert site.http.delete(f"{site.urls[0]}/responses/{response_id}").status_code == 200


def test_a_foreground_turn_that_nobody_claims_is_a_503(site: Site, redis: FaultyRedis, topic: str) -> None:
    with redis.away("killed"):
        begun = time.monotonic()
        answer = site.post(topic)
        assert time.monotonic() - begun < UNCLAIMED_SECONDS + 5
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) > 0
        with RawStream.post(site.urls[1], "/responses", {"model": "m", "input": topic, "stream": True}) as stream:
            events = list(stream.events())
    assert events[-1]["type"] == "response.failed"
    check_turn(site.database, events[0]["response"]["id"], [events])
    assert site.upstream.calls_with(topic) == []
