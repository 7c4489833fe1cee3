"""Many turns in every mode while everything is killed, frozen, stopped and wiped: all histories hold.

The seed is printed. `CHAOS_SEED` repeats the choices, though not the moments; `CHAOS_TURNS` says how many turns.
"""

import json
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.cli.embedded_valkey import EmbeddedValkey
from tests.eventually import eventually
from tests.faults.checker import check_turn
from tests.faults.clients import Clients
from tests.faults.conftest import NewSite
from tests.faults.faulty_redis import FaultyRedis
from tests.faults.harm import Harm
from tests.faults.site import Site
from tests.services import Postgres
from tests.upstream_steps import Done, Finish, Pause, Say, Step, Tokens

AT_ONCE = 8
SHORT, LONG = int(os.environ.get("CHAOS_TURNS", 100)), 1000
TURNS_PER_KILL = 20
SETTLE_SECONDS = 90
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

release = [pytest.mark.release, pytest.mark.timeout(3600)]


class Chaos:
    """A site with a Redis, and perhaps a Postgres, of its own."""

    def __init__(self, kind: str, site: Site, redis: FaultyRedis, postgres: Postgres | None) -> None:
        self.kind = kind
        self.site = site
        self.seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**9))
        self.harm = Harm(site, redis, postgres, self.seed)
        self.clients = Clients(site.urls, self.seed)

    def run(self, turns: int) -> None:
        chance = random.Random(self.seed)
        self.site.upstream.script("chaos", *(speech(call, chance) for call in range(4 * turns)))
        with ThreadPoolExecutor(AT_ONCE + 1) as pool:
            harm = pool.submit(self.harm.do_all_along)
            try:
                list(pool.map(self.clients.one_turn, range(turns)))
            finally:
                self.harm.over.set()
            harm.result()
        self.site.heal()


@pytest.fixture(params=["postgres", pytest.param("sqlite", marks=release)])
def chaos(request: pytest.FixtureRequest, new_site: NewSite, tmp_path: Path) -> Iterator[Chaos]:
    postgres = Postgres() if request.param == "postgres" else None
    server = EmbeddedValkey(tmp_path / "valkey")
    server.start()
    try:
        if postgres:
            postgres.start()
        url = postgres.create_migrated_database("chaos") if postgres else ""
        with new_site(server.url, url, FOREGROUND_QUEUE_SECONDS=20) as site:
            yield Chaos(request.param, site, FaultyRedis(server), postgres)
    finally:
        server.stop()
        if postgres:
            postgres.__exit__()


@pytest.mark.parametrize(
    "turns",
    [pytest.param(SHORT, marks=pytest.mark.timeout(120 + 3 * SHORT)), pytest.param(LONG, marks=release)],
    ids=["short", "long"],
)
def test_every_history_holds(chaos: Chaos, turns: int, capsys: pytest.CaptureFixture[str]) -> None:
    """G1, G2, G5, G11, G13, G15, G16, G20, G23"""
    tell(capsys, f"\nchaos on {chaos.kind}: seed {chaos.seed}")
    begun = time.monotonic()
    chaos.run(turns)
    verdict = Verdict(chaos)
    tell(capsys, f"{verdict} in {time.monotonic() - begun:.0f} s")
    assert not verdict.wrong, verdict.wrong[:3]
    assert not verdict.faults, verdict
    assert verdict.ends["completed"] > turns / 4
    assert chaos.harm.kills >= turns // TURNS_PER_KILL or turns < LONG
    chaos.site.check_logs()


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Say it whatever comes of the test; on the one way out that also its workers have when several run at once."""
    with capsys.disabled():
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - unsaid, it would be of no use


class Verdict:
    """What the clients' histories and the final database say of each turn."""

    def __init__(self, chaos: Chaos) -> None:
        self.wrong: list[str] = []
        self.ends: Counter[str] = Counter()
        self._chaos = chaos
        self.unended = _left(chaos.site)
        stored = chaos.site.ids("TRUE")
        self.lost = len(chaos.clients.accepted - set(stored))
        self.doubled = _doubled(chaos.site)
        for response_id in stored:
            self._judge(response_id)

    @property
    def faults(self) -> int:
        return self.lost + self.doubled + len(self.wrong) + self.unended

    def __str__(self) -> str:
        harm = self._chaos.harm
        ends = ", ".join(f"{count} {status}" for status, count in self.ends.most_common())
        return (
            f"chaos on {self._chaos.kind}, seed {self._chaos.seed}: {self.ends.total()} turns ({ends}): "
            f"{self.lost} lost, {self.doubled} doubled, {len(self.wrong)} mixed, {self.unended} un-ended "
            f"under {harm.kills} kills and {harm.other} other faults {dict(harm.done)}"
        )

    def _judge(self, response_id: str) -> None:
        clients = self._chaos.clients
        try:
            body = check_turn(self._chaos.site.database, response_id, clients.streams.get(response_id, ()))
            assert clients.bodies.get(response_id, body) == body, "another answer than the stored one"
            assert body["status"] == "cancelled" or response_id not in clients.cancelled, "a cancel was undone"
            self.ends[body["status"]] += 1
        except AssertionError:
            self.wrong.append(f"{response_id}: {traceback.format_exc(limit=-1)}")


def _left(site: Site) -> int:
    """How many turns have not ended, long after."""
    active = "status IN ('queued', 'in_progress')"
    try:
        eventually(lambda: not site.ids(active), SETTLE_SECONDS)
    except TimeoutError:
        return len(site.ids(active))
    return 0


def _doubled(site: Site) -> int:
    """How many posts have made more than one turn."""
    with site.database.read() as connection:
        found = connection.execute(text("SELECT metadata FROM response")).scalars()
        made = Counter(str(dict(one if isinstance(one, dict) else json.loads(one))["post"]) for one in found)
    return sum(count > 1 for count in made.values())


def speech(call: int, chance: random.Random) -> list[Step]:
    """What the model says in one of its calls, in words of that call's own, with pauses."""
    voice = "voice" + _LETTERS[call // 676 % 26] + _LETTERS[call // 26 % 26] + _LETTERS[call % 26]
    steps: list[Step] = []
    for number in range(chance.randrange(1, 12)):
        steps += [Pause(chance.uniform(0, 0.15)), Say(f"{voice}{number} ")]
    return [*steps, Finish(), Tokens(1, len(steps)), Done()]
