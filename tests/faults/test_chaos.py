"""Many turns in every mode while processes are killed, frozen and restarted and Redis is lost: all histories hold.

The seed is printed; `CHAOS_SEED` repeats the choices, though not the moments.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest

from shared.cli.embedded_valkey import EmbeddedValkey
from tests.acceptance.turns import ACTIVE
from tests.faults.checker import check_turn
from tests.faults.conftest import NewSite
from tests.faults.faulty_redis import FaultyRedis
from tests.faults.history import Event, Follower, accepts
from tests.faults.site import Site
from tests.services import Postgres
from tests.stack import Process, eventually
from tests.upstream_steps import Done, Finish, Pause, Say, Step, Tokens

CLIENTS = 8
SETTLE_SECONDS = 60
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(params=["postgres", pytest.param("sqlite", marks=pytest.mark.release)])
def chaos(request: pytest.FixtureRequest, new_site: NewSite) -> Iterator["Chaos"]:
    server = EmbeddedValkey(request.getfixturevalue("tmp_path") / "valkey")
    server.start()
    database_url = ""
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        database_url = postgres.create_migrated_database(f"chaos_{uuid4().hex[:12]}")
    site = new_site(server.url, database_url, FOREGROUND_QUEUE_SECONDS=5)
    with site.stack:
        yield Chaos(site, FaultyRedis(server), int(os.environ.get("CHAOS_SEED", random.randrange(10**9))))
    site.close()
    server.stop()


class Chaos:
    """The clients, the harm, and what the clients saw."""

    def __init__(self, site: Site, redis: FaultyRedis, seed: int) -> None:
        self.site = site
        self.redis = redis
        self.seed = seed
        self.accepted: set[str] = set()
        self.cancelled: set[str] = set()
        self.streams: list[list[Event]] = []
        self.harm: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._over = threading.Event()

    # -- harm -----------------------------------------------------------------------------------------------

    def harm_all_along(self) -> None:
        """One harm after the other, until the clients are done."""
        while not self._over.wait(self._chance.uniform(0.1, 0.6)):
            harm = self._chance.choice(
                [self.kill_worker, self.kill_worker, self.stop_worker, self.freeze, self.kill_api, self.lose_redis]
            )
            self.harm[harm.__name__] += 1
            harm()

    def kill_worker(self) -> None:
        self._again(self._chance.choice(self.site.stack.workers), Process.kill)

    def stop_worker(self) -> None:
        self._again(self._chance.choice(self.site.stack.workers), Process.stop)

    def kill_api(self) -> None:
        self._again(self._chance.choice(self.site.stack.apis), Process.kill)

    def freeze(self) -> None:
        process = self._chance.choice(self.site.stack.processes)
        process.signal(signal.SIGSTOP)
        self._over.wait(self._chance.uniform(0.1, 4))
        process.signal(signal.SIGCONT)

    def lose_redis(self) -> None:
        with self.redis.away(self._chance.choice(["killed", "paused", "flushed"])):
            self._over.wait(self._chance.uniform(0.1, 2))

    def _again(self, process: Process, end: Callable[[Process], object]) -> None:
        end(process)
        process.start()

    # -- clients --------------------------------------------------------------------------------------------

    def run(self, turns: int) -> None:
        self.site.upstream.script("chaos", *(speech(call, self._chance) for call in range(8 * turns)))
        harm = threading.Thread(target=self.harm_all_along, name="harm")
        harm.start()
        try:
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(self.one_turn, range(turns)))
        finally:
            self._over.set()
            harm.join()
        self.site.heal()

    def one_turn(self, number: int) -> None:
        chance = random.Random(self.seed + number)
        mode = chance.choice([self.polled, self.followed, self.left_alone, self.cancelled_at_random, self.foreground])
        urls = chance.sample(self.site.urls, 2)
        with httpx2.Client(timeout=40) as http:
            try:
                mode(http, urls, f"chaos {number}", chance)
            except httpx2.TransportError:
                # What was killed under its client's hands has promised nothing, or has said an id before.
                eventually(lambda: any(map(accepts, urls)), 30, "an API process")

    def polled(self, http: httpx2.Client, urls: list[str], asked: str, _chance: random.Random) -> None:
        response_id = self.make(http, urls, asked)
        eventually(lambda: self.status(http, urls, response_id) not in ACTIVE, SETTLE_SECONDS, response_id)

    def left_alone(self, http: httpx2.Client, urls: list[str], asked: str, _chance: random.Random) -> None:
        self.make(http, urls, asked)

    def followed(self, _http: httpx2.Client, urls: list[str], asked: str, _chance: random.Random) -> None:
        follower = Follower.post(urls, {"model": "m", "input": asked, "background": True})
        self.streams.append(follower.end(SETTLE_SECONDS))
        self.accepted.add(follower.response_id)

    def cancelled_at_random(self, http: httpx2.Client, urls: list[str], asked: str, chance: random.Random) -> None:
        response_id = self.make(http, urls, asked)
        moment = time.monotonic() + chance.uniform(0, 1)
        eventually(lambda: time.monotonic() > moment or self.status(http, urls, response_id) not in ACTIVE)
        answer = http.post(f"{urls[1]}/responses/{response_id}/cancel")
        if answer.status_code == 200:
            self.cancelled.add(response_id)

    def foreground(self, http: httpx2.Client, urls: list[str], asked: str, _chance: random.Random) -> None:
        answer = http.post(f"{urls[0]}/responses", json={"model": "m", "input": asked})
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 200:
            self.accepted.add(answer.json()["id"])

    def make(self, http: httpx2.Client, urls: list[str], asked: str) -> str:
        answer = http.post(f"{urls[0]}/responses", json={"model": "m", "input": asked, "background": True})
        assert answer.status_code == 200, answer.text
        response_id = str(answer.json()["id"])
        self.accepted.add(response_id)
        return response_id

    def status(self, http: httpx2.Client, urls: list[str], response_id: str) -> str:
        for url in urls:
            try:
                answer = http.get(f"{url}/responses/{response_id}")
            except httpx2.TransportError:
                continue
            assert answer.status_code == 200, answer.text
            return str(answer.json()["status"])
        return "queued"  # nobody is there to ask

    # -- afterwards -----------------------------------------------------------------------------------------

    def check(self) -> Counter[str]:
        """Every turn there is, with all that was seen of it; how many ended in which way."""
        eventually(lambda: not self.site.ids("status IN ('queued', 'in_progress')"), SETTLE_SECONDS, "every end")
        stored = self.site.ids("TRUE")
        assert self.accepted <= set(stored), "an accepted turn is missing"
        seen: dict[str, list[list[Event]]] = {}
        for events in self.streams:
            seen.setdefault(events[0]["response"]["id"], []).append(events)
        ends: Counter[str] = Counter()
        for response_id in stored:
            status = check_turn(self.site.database, response_id, seen.get(response_id, ()))["status"]
            assert status == "cancelled" or response_id not in self.cancelled
            ends[status] += 1
        return ends


@pytest.mark.parametrize(
    "turns", [120, pytest.param(5000, marks=[pytest.mark.release, pytest.mark.timeout(3600)])], ids=["short", "long"]
)
def test_every_history_holds(chaos: Chaos, turns: int, capsys: pytest.CaptureFixture[str]) -> None:
    """G1, G2, G5, G11, G13, G15, G16, G20"""
    with capsys.disabled():
        print(f"\nchaos: seed {chaos.seed}, {turns} turns")  # noqa: T201 - unsaid, it would be of no use
        begun = time.monotonic()
        chaos.run(turns)
        ends = chaos.check()
        took = time.monotonic() - begun
        print(f"chaos: {dict(ends)} under {dict(chaos.harm)} in {took:.0f} s")  # noqa: T201
    assert ends["completed"] > turns / 4
    chaos.site.check_logs()


def speech(call: int, chance: random.Random) -> list[Step]:
    """What the model says in one of its calls, in words of that call's own, with pauses."""
    voice = "voice" + _LETTERS[call // 676 % 26] + _LETTERS[call // 26 % 26] + _LETTERS[call % 26]
    steps: list[Step] = []
    for number in range(chance.randrange(1, 12)):
        steps += [Pause(chance.uniform(0, 0.15)), Say(f"{voice}{number} ")]
    return [*steps, Finish(), Tokens(1, len(steps)), Done()]
