"""A worker killed or frozen at each point of a turn's way through it (G3, G4, G5)."""

import signal
import time

import pytest
from redis import Redis

from shared.wire.response import LOST_NUMBER
from tests.eventually import eventually
from tests.faults.checker import check_turn
from tests.faults.history import Follower
from tests.faults.site import Site, gate, voices, wake

UNSEEN = ["after the claim", "after the lifecycle append"]
SEEN = [
    "after the output start",
    "after the first append",
    "between append and result",
    "in mid-stream",
    "after the last chunk",
    "before FINISH",
    "inside FINISH",
]


# Words before which the model waits, so that the turn cannot end behind the frozen thread's back.
_FIRST, _SECOND = 3, 6


@pytest.mark.parametrize("point", [*UNSEEN, *SEEN])
def test_a_turn_whose_worker_is_killed_runs_anew_or_ends(site: Site, topic: str, point: str) -> None:
    """G4, G5: nobody watches the one, which runs anew; of the other, what was seen stays what it was.

    G3: the worker of the other is only frozen, and comes back to find that it has nothing to say any more.
    """
    unwatched, watched = f"{topic}-unwatched", f"{topic}-watched"
    script(site, unwatched, point)
    script(site, watched, point)
    site.stop_at(point)
    follower = Follower.post(site.urls, {"model": "m", "input": watched, "background": True})
    if point == "in mid-stream":
        go_on(site, watched, follower.response_id)
    zombie = site.frozen_worker()
    if point == "inside FINISH":
        zombie.kill()  # frozen, it would hold SQLite's write lock for ever; Postgres: `test_frozen_workers`
    ours = site.lease(follower.response_id)
    site.stop_at(point)
    response_id = site.background(unwatched, api=1)
    if point == "in mid-stream":
        go_on(site, unwatched, response_id)
    killed = site.frozen_worker(beside=zombie)
    killed.kill()
    theirs = site.lease(response_id)
    killed.start()
    killed.wait_ready()
    open_gates(site, unwatched, watched)
    site.recovered(response_id, max(theirs, time.time()))  # there was nobody to run it, before
    site.recovered(follower.response_id, max(ours, time.time()) if point in UNSEEN else ours)
    body = site.ended(response_id)
    assert body == check_turn(site.database, response_id)
    assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 2)
    events = follower.end()
    ended = check_turn(site.database, follower.response_id, [events])
    assert ended["status"] == ("completed" if point in UNSEEN else "failed")
    before = site.row(follower.response_id)
    wake(zombie, follower.response_id)
    assert site.row(follower.response_id) == before


def forget(redis_url: str, key_prefix: str, response_id: str) -> None:
    """Have Redis lose one turn's fence and log, as it loses all of them in a flush."""
    with Redis.from_url(redis_url) as redis:
        assert redis.delete(*redis.scan_iter(f"{key_prefix}:*:{response_id}*")) == 2


def script(site: Site, topic: str, point: str) -> None:
    """The model waits in mid-stream, unless the point is at the turn's end."""
    late = SEEN.index(point) >= SEEN.index("after the last chunk") if point in SEEN else False
    voices(site.upstream, topic, gates=() if late else (_FIRST, _SECOND))


def go_on(site: Site, topic: str, response_id: str) -> None:
    """The model says more once its first words were read: else all might come as one event."""
    eventually(lambda: bool(site.row(response_id).output_started))
    site.upstream.open(gate(topic, _FIRST))


def open_gates(site: Site, *topics: str) -> None:
    for topic in topics:
        site.upstream.open(gate(topic, _FIRST))
        site.upstream.open(gate(topic, _SECOND))


def test_a_worker_killed_between_commit_and_publish_has_done_its_work(site: Site, topic: str) -> None:
    """G4, G15: the end is in SQL, where every reader finds it."""
    voices(site.upstream, topic)
    site.stop_at("after the commit")
    follower = Follower.post(site.urls, {"model": "m", "input": topic, "background": True})
    site.frozen_worker().kill()
    events = follower.end()
    body = check_turn(site.database, follower.response_id, [events])
    assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 1)


def test_a_worker_killed_during_a_heal(site: Site, topic: str, redis_url: str) -> None:
    """G4, G6: its log is gone with Redis' memory of it, so the end says only that there was one."""
    voices(site.upstream, topic, gates=[_FIRST, _SECOND])
    follower = Follower.post(site.urls, {"model": "m", "input": topic, "background": True})
    site.upstream.wait_at(gate(topic, _FIRST))
    follower.wait_for(6)
    site.stop_at("during a heal")
    forget(redis_url, site.key_prefix, follower.response_id)
    site.upstream.open(gate(topic, _FIRST))
    site.frozen_worker().kill()
    events = follower.end()
    assert events[-1]["sequence_number"] == LOST_NUMBER
    assert check_turn(site.database, follower.response_id, [events])["status"] == "failed"


def test_a_worker_killed_while_it_parts_from_its_turns(site: Site, topic: str) -> None:
    """G4, G11: what a stopping worker does not come to hand over is found by its lease."""
    unwatched, watched = f"{topic}-unwatched", f"{topic}-watched"
    voices(site.upstream, unwatched, gates=[_FIRST])
    voices(site.upstream, watched, gates=[_FIRST])
    site.stack.workers[1].kill()
    follower = Follower.post(site.urls, {"model": "m", "input": watched, "background": True})
    response_id = site.background(unwatched)
    site.upstream.wait_for_calls(2, topic)
    follower.wait_for(6)
    site.stop_at("during drain")
    site.stack.workers[1].start()
    site.stack.workers[1].wait_ready()
    site.stack.workers[0].signal(signal.SIGTERM)
    site.frozen_worker().kill()
    site.upstream.open(gate(unwatched, _FIRST))
    assert site.ended(response_id)["status"] == "completed"
    check_turn(site.database, response_id)
    assert check_turn(site.database, follower.response_id, [follower.end()])["status"] == "failed"
