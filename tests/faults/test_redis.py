"""Redis killed, paused or flushed, at any time: no accepted turn is lost (G6, G15)."""

import time
from collections.abc import Iterator
from statistics import median
from urllib.parse import urlsplit

import pytest

from shared.cli.embedded_valkey import EmbeddedValkey
from tests.eventually import eventually
from tests.faults.checker import check_turn, text_of
from tests.faults.conftest import NewSite, stopping_worker
from tests.faults.faulty_redis import FaultyRedis
from tests.faults.history import Follower
from tests.faults.site import RECOVERY_SECONDS, Site, gate, voices
from tests.raw_http import RawStream
from tests.stack import WorkerProcess
from tests.tcp_proxy import TcpProxy

ANSWER_SECONDS = 0.5
# A request that waited for Redis would have waited so long.
REDIS_SECONDS = 2.0
UNCLAIMED_SECONDS = 3
# One end's wait for a paused Redis: to be told of the end, to give its log, to publish the last event.
ENDS_SECONDS = 25.0  # one after the other would take more than a minute
LOST_TURNS = 12
# Far less than the 51 s of kombu's own defaults.
VANISHED_SECONDS = 30.0

AWAY = ["killed", "paused"]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyRedis]:
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield FaultyRedis(server)
    server.stop()


@pytest.fixture(scope="module")
def redis_site(new_site: NewSite, redis: FaultyRedis) -> Iterator[Site]:
    with new_site(redis.url, FOREGROUND_QUEUE_SECONDS=UNCLAIMED_SECONDS) as made:
        yield made


@pytest.fixture
def site(redis_site: Site) -> Site:
    """Whole before each test."""
    redis_site.heal()
    return redis_site


@pytest.mark.parametrize("how", AWAY)
def test_a_turn_posted_meanwhile_is_stored_at_once_and_runs_when_redis_is_back(
    site: Site, redis: FaultyRedis, topic: str, how: str
) -> None:
    """Typically within half a second; no answer waits for Redis."""
    turns, took = [], []
    with redis.away(how):
        for api in (0, 1, 0, 1, 0):
            begun = time.monotonic()
            turns.append(site.background(topic, api))
            took.append(time.monotonic() - begun)
            assert site.get(turns[-1], api)["status"] == "queued"
    assert median(took) < ANSWER_SECONDS
    assert max(took) < REDIS_SECONDS
    for response_id in turns:
        assert site.ended(response_id)["status"] == "completed"
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
    follower.wait_to_hear("voiceA2")
    with redis.away(how):
        site.upstream.open(gate(topic, 3))
        site.upstream.wait_at(gate(topic, 6))
    follower.wait_to_hear("voiceA5")  # live again, before the end
    site.upstream.open(gate(topic, 6))
    body = check_turn(site.database, follower.response_id, [follower.end()])
    assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 1)


def test_after_a_flush_new_turns_run_as_before(site: Site, redis: FaultyRedis, topic: str) -> None:
    """The broker's own bookkeeping is gone as well, and no process has noticed."""
    redis.flush()
    turns = [site.background(topic, api) for api in (0, 1)]
    for response_id in turns:
        assert site.ended(response_id)["status"] == "completed"


def test_turns_that_were_queued_when_redis_forgot_them_run(site: Site, redis: FaultyRedis, topic: str) -> None:
    for worker in site.stack.workers:
        worker.stop()
    turns = [site.background(topic, api) for api in (0, 1) * 10]
    redis.flush()
    site.heal()
    for response_id in turns:
        assert site.ended(response_id)["status"] == "completed"
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
    """Nothing tells the worker; it sees it in SQL."""
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


def test_lost_turns_are_ended_together_while_redis_is_paused(site: Site, redis: FaultyRedis, topic: str) -> None:
    """G4: each end waits for its turn's log in vain, but not each after the other."""
    voices(site.upstream, topic, gates=[3])
    body = {"model": "m", "input": topic, "background": True}
    followers = [Follower.post(site.urls[number % 2 :], body) for number in range(LOST_TURNS)]
    for follower in followers:
        follower.wait_for(6)
    with redis.away("paused"):
        for worker in site.stack.workers:
            worker.kill()
        leases = {follower.response_id: site.lease(follower.response_id) for follower in followers}
        streams = {follower.response_id: follower.end() for follower in followers}
    for response_id, lease in leases.items():
        assert check_turn(site.database, response_id, [streams[response_id]])["status"] == "failed"
        assert site.row(response_id).ended_at - lease < RECOVERY_SECONDS + ENDS_SECONDS


def test_a_worker_notices_that_its_broker_has_vanished_without_a_word(
    site: Site, redis: FaultyRedis, topic: str
) -> None:
    """Its connections hear nothing any more, nor of their end, as behind a firewall that has forgotten them."""
    for worker in site.stack.workers:
        worker.kill()
    with TcpProxy(urlsplit(redis.url).port or 0) as proxy:
        beyond = site.stack.environment | {"TURNSTONE_BROKER_URL": proxy.url(redis.url)}
        worker = WorkerProcess(3, beyond, site.stack.directory, stopping_worker)
        worker.start()
        try:
            worker.wait_ready()
            proxy.strand()
            response_id = site.background(topic)
            assert site.ended(response_id, VANISHED_SECONDS)["status"] == "completed"
        finally:
            worker.kill()
