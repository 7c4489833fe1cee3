"""The database away under live turns (G7), and one that cannot be written (decision: 503 before accepting)."""

import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import psycopg
import pytest
from sqlalchemy import make_url

from tests.eventually import eventually
from tests.faults.checker import check_turn
from tests.faults.conftest import NewSite
from tests.faults.history import Follower
from tests.faults.site import LEASE_SECONDS, Site, gate, voices
from tests.figures import Figures
from tests.raw_http import request_bytes
from tests.services import Postgres
from tests.tcp_proxy import TcpProxy

TURNS = 6
# A key that is looked for in vain takes one, the queue another.
FIGURES_SECONDS = 4
# Less than the store waits for SQLite's lock, more than two leases.
LOCKED_SECONDS = 4.5


@pytest.fixture(scope="module")
def proxy(postgres: Postgres) -> Iterator[TcpProxy]:
    with TcpProxy(postgres.socket) as running:
        yield running


@pytest.fixture(scope="module")
def postgres_site(new_site: NewSite, redis_url: str, postgres: Postgres, proxy: TcpProxy) -> Iterator[Site]:
    """Its processes reach Postgres through the proxy; the test itself does not."""
    name = f"faults_{uuid4().hex[:12]}"
    direct = postgres.create_migrated_database(name)
    with new_site(redis_url, f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}", direct) as made:
        yield made


@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        ("refuse", 4 * LEASE_SECONDS),
        ("blackhole", 4 * LEASE_SECONDS),
        pytest.param("refuse", 100, marks=[pytest.mark.release, pytest.mark.timeout(300)]),
        pytest.param("blackhole", 100, marks=[pytest.mark.release, pytest.mark.timeout(300)]),
    ],
)
def test_live_turns_survive_an_outage_of_postgres(
    postgres_site: Site, proxy: TcpProxy, topic: str, how: str, seconds: float
) -> None:
    with live_turns(postgres_site, topic) as followers:
        getattr(proxy, how)()
        followers[0].stays_open(seconds)
        proxy.pass_on()
        back_after_an_outage(postgres_site, topic, followers)


def test_turns_that_finish_during_an_outage_are_not_lost(postgres_site: Site, proxy: TcpProxy, topic: str) -> None:
    """FINISH waits for the database, with the answer in its hands."""
    with live_turns(postgres_site, topic) as followers:
        proxy.refuse()
        postgres_site.upstream.open(gate(topic, 3))
        calls = postgres_site.upstream.calls_with(topic)
        for call in calls:
            call.wait_ended()
        followers[0].stays_open(2 * LEASE_SECONDS)
        proxy.pass_on()
    for follower in followers:
        body = check_turn(postgres_site.database, follower.response_id, [follower.end()])
        assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 1)


@pytest.mark.parametrize("how", ["slow", "sliced"])
def test_a_bad_line_to_postgres_changes_nothing(postgres_site: Site, proxy: TcpProxy, topic: str, how: str) -> None:
    proxy.slow(0.02) if how == "slow" else proxy.slice(1)
    try:
        turns = [postgres_site.background(topic, api) for api in (0, 1, 0, 1)]
        for response_id in turns:
            assert postgres_site.ended(response_id)["status"] == "completed"
            check_turn(postgres_site.database, response_id)
    finally:
        proxy.pass_on()


def test_a_post_without_a_database_is_a_503_that_may_be_repeated(
    postgres_site: Site, proxy: TcpProxy, topic: str
) -> None:
    proxy.refuse()
    try:
        refused = postgres_site.post(topic, background=True)
    finally:
        proxy.pass_on()
    assert refused.status_code == 503, refused.text
    assert refused.headers["retry-after"]
    eventually(lambda: postgres_site.post(topic, background=True).status_code == 200)


def test_a_cancel_without_a_database_is_a_503_and_the_next_one_stands(
    postgres_site: Site, proxy: TcpProxy, topic: str
) -> None:
    """A 200 means cancelled."""
    voices(postgres_site.upstream, topic, gates=[3])
    response_id = postgres_site.background(topic)
    call = postgres_site.upstream.wait_at(gate(topic, 3))
    url = f"{postgres_site.urls[0]}/responses/{response_id}/cancel"
    proxy.refuse()
    try:
        refused = postgres_site.http.post(url)
    finally:
        proxy.pass_on()
    assert refused.status_code == 503, refused.text
    assert refused.headers["retry-after"]
    assert not call.closed_by_client
    eventually(lambda: postgres_site.http.post(url).is_success)
    assert postgres_site.get(response_id)["status"] == "cancelled"
    call.wait_closed_by_client()


@pytest.mark.parametrize("stream", [False, True], ids=["unstreamed", "streamed"])
def test_a_client_that_leaves_while_the_database_is_away_takes_its_turn_with_it(
    postgres_site: Site, proxy: TcpProxy, topic: str, stream: bool
) -> None:
    """G19: as soon as it is back."""
    voices(postgres_site.upstream, topic, gates=[3])
    body = json.dumps({"model": "m", "input": topic, "stream": stream}).encode()
    address = urlsplit(postgres_site.urls[0])
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(request_bytes(postgres_site.urls[0], "POST", "/responses", body))
        call = postgres_site.upstream.wait_at(gate(topic, 3))
        proxy.refuse()
    eventually(lambda: '"disconnect_waits_for_database"' in postgres_site.stack.apis[0].said)
    proxy.pass_on()
    call.wait_closed_by_client()
    postgres_site.upstream.open(gate(topic, 3))


@pytest.mark.parametrize("how", ["refuse", "blackhole"])
def test_figures_are_told_within_seconds_of_an_outage_too(postgres_site: Site, proxy: TcpProxy, how: str) -> None:
    """Those that only SQL knows are left out, and it is told that they are."""
    address = postgres_site.urls[0].removesuffix("/v1")
    eventually(lambda: told_in_time(address).total("turnstone_database_up"), 30)
    getattr(proxy, how)()
    try:
        eventually(lambda: not told_in_time(address).total("turnstone_database_up"), what="the outage to be told")
        told = told_in_time(address)
        assert told.samples("turnstone_queued_turns") == []
        assert told.samples("turnstone_turns_accepted_total")
    finally:
        proxy.pass_on()


def test_a_read_only_postgres_refuses_before_it_accepts(postgres_site: Site, postgres: Postgres, topic: str) -> None:
    """As after a failover, until the new primary is found: nothing gets an id that is not stored."""
    with read_only(postgres, postgres_site):
        refused = [postgres_site.post(topic, api, background=True) for api in (0, 1)]
    figures = Figures.at(postgres_site.urls[0].removesuffix("/v1"))
    assert figures.total("turnstone_sql_errors_total", kind="refused_write") > 0
    assert [answer.status_code for answer in refused] == [503, 503], refused[0].text
    eventually(lambda: postgres_site.post(topic, background=True).status_code == 200)


@pytest.mark.parametrize("shared_site", ["sqlite"], indirect=True)
def test_live_turns_survive_a_locked_sqlite(site: Site, topic: str) -> None:
    with live_turns(site, topic) as followers, locked(site):
        followers[0].stays_open(LOCKED_SECONDS)
    back_after_an_outage(site, topic, followers)


@pytest.mark.parametrize("shared_site", ["sqlite"], indirect=True)
def test_a_full_disk_refuses_before_it_accepts(site: Site, topic: str) -> None:
    """No file may grow, as the API process sees it."""
    with no_growth(site.stack.apis[0].pid):
        refused = site.post(topic, background=True)
    assert refused.status_code == 503, refused.text
    assert refused.headers["retry-after"]
    assert site.post(topic, background=True).status_code == 200


def told_in_time(address: str) -> Figures:
    begun = time.monotonic()
    told = Figures.at(address)
    assert time.monotonic() - begun < FIGURES_SECONDS
    return told


@contextmanager
def live_turns(site: Site, topic: str) -> Iterator[list[Follower]]:
    """Turns in mid-stream, each with a reader."""
    site.heal()
    voices(site.upstream, topic, gates=[3], calls=1)
    body = {"model": "m", "input": topic, "background": True}
    followers = [Follower.post(site.urls[number % 2 :], body) for number in range(TURNS)]
    for follower in followers:
        follower.wait_for(6)
    yield followers


def back_after_an_outage(site: Site, topic: str, followers: list[Follower]) -> None:
    """No lease was judged by a time in which it could not be renewed: every turn goes on where it was."""
    eventually(lambda: lives(site, followers), 15, "the leases to be renewed")
    site.upstream.open(gate(topic, 3))
    for follower in followers:
        body = check_turn(site.database, follower.response_id, [follower.end()])
        assert (body["status"], body["turnstone"]["attempts"]) == ("completed", 1), body["error"]
    assert len(site.upstream.calls_with(topic)) == TURNS


def lives(site: Site, followers: list[Follower]) -> bool:
    return all(site.row(follower.response_id).lease_until > time.time() for follower in followers)


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Hold SQLite's write lock."""
    path = make_url(str(site.database.engine.url)).database
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def read_only(postgres: Postgres, site: Site) -> Iterator[None]:
    """Have the server refuse writes, on connections new and old."""
    name = site.database.engine.url.database
    with psycopg.connect(postgres.url(), autocommit=True) as connection:

        def switch(value: str) -> None:
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

        switch("on")
        try:
            yield
        finally:
            switch("off")


@contextmanager
def no_growth(pid: int) -> Iterator[None]:
    """Let the process write to no file beyond its first byte."""
    process = psutil.Process(pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, before)
