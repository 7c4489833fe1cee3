"""A Redis that answers with an error is an outage: waited out, told once, and no worker ends of it (G6, G15)."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.eventually import eventually
from tests.faults.checker import check_turn
from tests.faults.conftest import NewSite
from tests.faults.history import Follower
from tests.faults.refusing_redis import SAID, RefusingRedis, refusing_redis
from tests.faults.site import Site, gate, voices
from tests.stack import Process

__all__ = ["refusing_redis"]

AGAIN_SECONDS = 8.0
MOST_LINES = 20

LASTING = [
    "read only",
    "without primary",
    "disk full",
    "memory full",
    "without replicas",
    "not permitted",
    "password rotated",
    "busy",
    "connections used up",
    "reset",
    *SAID,
]


@pytest.fixture(scope="module")
def redis_site(new_site: NewSite, refusing_redis: RefusingRedis) -> Iterator[Site]:
    with new_site(refusing_redis.url) as made:
        yield made


@pytest.fixture
def site(redis_site: Site) -> Iterator[Site]:
    """No process ends, and none complains at length."""
    pids = [process.pid for process in redis_site.stack.processes]
    said = {process.name: len(process.said) for process in redis_site.stack.processes}
    yield redis_site
    assert [process.pid for process in redis_site.stack.processes if process.alive] == pids
    for process in redis_site.stack.processes:
        news = process.said[said[process.name] :]
        assert "Traceback" not in news, news
        assert len(news.splitlines()) <= MOST_LINES, news


@pytest.mark.parametrize("how", LASTING)
def test_it_is_waited_out(site: Site, refusing_redis: RefusingRedis, topic: str, how: str) -> None:
    voices(site.upstream, topic, gates=[3, 6])
    follower = Follower.post(site.urls, {"model": "m", "input": topic, "background": True})
    follower.wait_to_hear("voiceA2")
    with refusing_redis.refusing(how):
        site.upstream.open(gate(topic, 3))
        site.upstream.wait_at(gate(topic, 6))
        posted = site.background(topic[::-1])
        eventually(lambda: all(map(outages, site.stack.workers)), 10, "the workers to notice")
        assert [(one["redis"], len(one["problems"])) for one in ask_whether_ready(site)] == [(False, 1)] * 2
    over = time.monotonic()
    assert site.ended(posted)["status"] == "completed"
    assert time.monotonic() - over < AGAIN_SECONDS
    follower.wait_to_hear("voiceA5")
    site.upstream.open(gate(topic, 6))
    body = check_turn(site.database, follower.response_id, [follower.end()])
    assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 1)


def test_after_a_failover_all_goes_on_at_the_new_primary(site: Site, refusing_redis: RefusingRedis, topic: str) -> None:
    """Its name stands for another server, which knows nothing; the old one answers to whoever stays there."""
    voices(site.upstream, topic, gates=[3, 6])
    follower = Follower.post(site.urls, {"model": "m", "input": topic, "background": True})
    follower.wait_to_hear("voiceA2")
    ask_whether_ready(site)
    with refusing_redis.refusing("failover"):
        posted = site.background(topic[::-1])
        site.upstream.open(gate(topic, 3))
        assert site.ended(posted, AGAIN_SECONDS)["status"] == "completed"
        ask_whether_ready(site)
        eventually(lambda: refusing_redis.subscribers_of_the_first() == 0, 10, "all to leave the old primary")
        follower.wait_to_hear("voiceA5")
        site.upstream.open(gate(topic, 6))
        body = check_turn(site.database, follower.response_id, [follower.end()])
    assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 1)
    refusing_redis.back()


def test_a_wish_for_messages_that_is_cut_short_is_repeated(
    site: Site, refusing_redis: RefusingRedis, topic: str
) -> None:
    with refusing_redis.refusing("unblocked"):
        posted = site.background(topic)
    assert site.ended(posted, AGAIN_SECONDS)["status"] == "completed"


def ask_whether_ready(site: Site) -> list[dict[str, Any]]:
    """As a load balancer does; what they answer."""
    answers = [site.http.get(url.replace("/v1", "/readyz")) for url in site.urls]
    assert [answer.status_code for answer in answers] == [200, 200]
    return [answer.json() for answer in answers]


def outages(process: Process) -> list[dict[str, Any]]:
    """What a process has said of them since its last start."""
    lines = [json.loads(line) for line in process.said.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "redis_outage"]
