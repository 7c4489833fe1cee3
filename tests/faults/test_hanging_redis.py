"""Redis hangs or refuses: whoever ends a turn does not wait for it, however many they are."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from shared.cli.embedded_valkey import EmbeddedValkey
from tests.eventually import eventually
from tests.faults.checker import check_turn
from tests.faults.conftest import NewSite
from tests.faults.faulty_redis import FaultyRedis
from tests.faults.site import Site, gate, voices
from tests.raw_http import request_bytes
from tests.scripted_upstream import Call
from tests.services import Postgres

# More than any pool of a process has threads.
CANCELS = 60
CALLERS = 40
CANCEL_WAIT_SECONDS = 1.0
# G19, and what sixty requests take on two busy cores.
CLOSED_SECONDS = 1.0 + 1.0
# One outage is waited for once: for an announcement, and for a log.
WRITTEN_SECONDS = 10.0
# Nothing here may come to pass by a lease that runs out or is not renewed.
LEASE_SECONDS = 60.0


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyRedis]:
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield FaultyRedis(server)
    server.stop()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def hung_site(request: pytest.FixtureRequest, new_site: NewSite, redis: FaultyRedis) -> Iterator[Site]:
    database_url = ""
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        database_url = postgres.create_migrated_database(f"hanging_{uuid4().hex[:12]}")
    with new_site(
        redis.url, database_url, LEASE_SECONDS=LEASE_SECONDS, CANCEL_WAIT_SECONDS=CANCEL_WAIT_SECONDS
    ) as made:
        yield made


@pytest.fixture
def site(hung_site: Site) -> Iterator[Site]:
    """Whole before each test, and after it."""
    hung_site.heal()
    yield hung_site
    hung_site.heal()


def closed_within(calls: list[Call], seconds: float, since: float) -> None:
    for call in calls:
        call.wait_closed_by_client(max(0.0, since + seconds - time.monotonic()))


@pytest.mark.parametrize(("how", "word"), [("paused", 3), ("paused", 0), ("killed", 3)])
def test_every_cancel_is_one_whatever_becomes_of_the_process_that_took_it(
    site: Site, redis: FaultyRedis, topic: str, how: str, word: int
) -> None:
    """G20: its answer says so, its call of the model closes (G19), silent or not, and no turn ends otherwise."""
    voices(site.upstream, topic, gates=[word])
    turns = [site.background(topic) for _ in range(CANCELS)]
    calls = site.upstream.wait_for_calls(CANCELS, topic, seconds=30)
    eventually(lambda: all(call.waiting_at for call in calls), what="all to have begun")
    with redis.away(how), ThreadPoolExecutor(CANCELS) as clients:
        begun = time.monotonic()
        asked = [clients.submit(site.http.post, f"{site.urls[0]}/responses/{one}/cancel") for one in turns]
        closed_within(calls, CLOSED_SECONDS, begun)
        answers = [one.result().json()["status"] for one in asked]
        took = time.monotonic() - begun
        site.stack.apis[0].kill()
        site.upstream.open(gate(topic, word))
    assert answers == ["cancelled"] * CANCELS
    assert took < CANCEL_WAIT_SECONDS + CLOSED_SECONDS
    assert {site.row(one).ending or site.row(one).status for one in turns} == {"cancelled"}


def test_ends_wait_for_one_outage_once(site: Site, redis: FaultyRedis, topic: str) -> None:
    """All of them are written while it lasts, soon after the first."""
    voices(site.upstream, topic, gates=[3])
    turns = [site.background(topic) for _ in range(CANCELS)]
    site.upstream.wait_for_calls(CANCELS, topic, seconds=30)
    with redis.away("paused"), ThreadPoolExecutor(CANCELS) as clients:
        begun = time.monotonic()
        list(clients.map(lambda one: site.http.post(f"{site.urls[0]}/responses/{one}/cancel"), turns))
        for one in turns:
            site.ended(one, max(0.0, begun + WRITTEN_SECONDS - time.monotonic()))
    for one in turns:
        assert check_turn(site.database, one)["status"] == "cancelled"


@pytest.mark.parametrize(("how", "stream"), [("paused", False), ("paused", True), ("killed", True)])
def test_clients_that_leave_take_their_turns_with_them(
    site: Site, redis: FaultyRedis, topic: str, how: str, stream: bool
) -> None:
    """G19: however many leave at once."""
    voices(site.upstream, topic, gates=[3])
    body = json.dumps({"model": "m", "input": topic, "stream": stream}).encode()
    address = urlsplit(site.urls[0])
    with ExitStack() as clients:
        for _ in range(CALLERS):
            client = clients.enter_context(socket.create_connection((address.hostname, address.port), timeout=10))
            client.sendall(request_bytes(site.urls[0], "POST", "/responses", body))
        calls = site.upstream.wait_for_calls(CALLERS, topic, seconds=30)
        eventually(lambda: all(call.waiting_at for call in calls), what="all to have begun")
        with redis.away(how):
            left = time.monotonic()
            clients.close()
            closed_within(calls, CLOSED_SECONDS, left)
    site.upstream.open(gate(topic, 3))
