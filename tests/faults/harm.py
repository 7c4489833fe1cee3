"""Harm of every kind to a running site, one after the other, at random."""

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable

from tests.faults.faulty_redis import FaultyRedis
from tests.faults.site import Site
from tests.services import Postgres
from tests.stack import Process

_PAUSE_SECONDS = (0.1, 0.5)
_FROZEN_SECONDS = (0.1, 4.0)
_AWAY_SECONDS = (0.1, 2.0)
_KILLS = ("kill_worker", "kill_api")


class Harm:
    """Goes on from `do_all_along` until `over`; `done` counts it by kind."""

    def __init__(self, site: Site, redis: FaultyRedis, postgres: Postgres | None, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.over = threading.Event()
        self._site = site
        self._redis = redis
        self._postgres = postgres
        self._chance = random.Random(seed)
        kinds = [self.kill_worker, self.kill_worker, self.kill_api, self.stop_worker, self.freeze]
        kinds += [self.kill_redis, self.pause_redis, self.flush_redis]
        self._kinds: list[Callable[[], None]] = kinds + ([self.stop_database] if postgres else [])

    @property
    def kills(self) -> int:
        """How often a process was killed by SIGKILL."""
        return sum(self.done[kind] for kind in _KILLS)

    @property
    def other(self) -> int:
        """How often something else was done."""
        return self.done.total() - self.kills

    def do_all_along(self) -> None:
        while not self.over.wait(self._chance.uniform(*_PAUSE_SECONDS)):
            kind = self._chance.choice(self._kinds)
            self.done[kind.__name__] += 1
            self._site.revive()
            kind()

    def kill_worker(self) -> None:
        self._again(self._chance.choice(self._site.stack.workers), Process.kill)

    def kill_api(self) -> None:
        self._again(self._chance.choice(self._site.stack.apis), Process.kill)

    def stop_worker(self) -> None:
        self._again(self._chance.choice(self._site.stack.workers), Process.stop)

    def freeze(self) -> None:
        process = self._chance.choice(self._site.stack.processes)
        process.signal(signal.SIGSTOP)
        self.over.wait(self._chance.uniform(*_FROZEN_SECONDS))
        process.signal(signal.SIGCONT)

    def kill_redis(self) -> None:
        self._redis_away("killed")

    def pause_redis(self) -> None:
        self._redis_away("paused")

    def flush_redis(self) -> None:
        self._redis.flush()

    def stop_database(self) -> None:
        assert self._postgres is not None
        self._postgres.stop()
        self.over.wait(self._chance.uniform(*_AWAY_SECONDS))
        self._postgres.start()

    def _redis_away(self, how: str) -> None:
        with self._redis.away(how):
            self.over.wait(self._chance.uniform(*_AWAY_SECONDS))

    def _again(self, process: Process, end: Callable[[Process], object]) -> None:
        end(process)
        process.start()
