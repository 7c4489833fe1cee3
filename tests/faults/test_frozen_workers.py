"""A worker frozen in the midst of its last transaction holds up no other turn (G4)."""

import pytest

from tests.faults.checker import check_turn
from tests.faults.history import Follower
from tests.faults.site import Site, gate, voices, wake


@pytest.mark.parametrize("shared_site", ["postgres"], indirect=True)
def test_a_worker_frozen_inside_finish_holds_up_no_other_turn(site: Site, topic: str) -> None:
    """G3, G4: sweepers pass over the row that it holds, and Postgres ends its transaction after a few seconds."""
    first, other = site.stack.workers
    other.kill()
    last, watched, unwatched = (f"{topic}-{name}" for name in ("last", "watched", "unwatched"))
    for name in (last, watched, unwatched):
        voices(site.upstream, name, gates=[3])
    ids = [site.background(last), site.background(unwatched)]
    follower = Follower.post(site.urls, {"model": "m", "input": watched, "background": True})
    for name in (last, watched, unwatched):
        site.upstream.wait_at(gate(name, 3))
    follower.wait_for(6)
    other.start()
    other.wait_ready()
    site.stop_at("inside FINISH")
    site.upstream.open(gate(last, 3))
    assert site.frozen_worker() is first
    site.recovered(follower.response_id, site.lease(follower.response_id))
    site.recovered(ids[1], site.lease(ids[1]))
    site.upstream.open(gate(unwatched, 3))
    for response_id in ids:
        body = site.ended(response_id)
        assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 2)
    before = [site.row(response_id) for response_id in ids]
    wake(first, *ids, follower.response_id)
    assert [site.row(response_id) for response_id in ids] == before
    assert check_turn(site.database, follower.response_id, [follower.end()])["status"] == "failed"
