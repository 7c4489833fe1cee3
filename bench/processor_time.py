"""Processor time and memory of Turnstone's processes, from /proc."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

Seconds = dict[str, float]

_PARTS = {"uvicorn": "api", "celery": "worker", "valkey": "redis", "redis-server": "redis"}
_IDLE_SHARE = 0.15
_LONGEST_SETTLE_SECONDS = 60.0


@dataclass(frozen=True)
class Processes:
    """The processes of one stack by part: api, worker, redis. The supervisor is not counted: it only waits."""

    by_part: Mapping[str, list[psutil.Process]]

    @classmethod
    def below(cls, pid: int) -> "Processes":
        """The descendants of the supervisor, told apart by their command lines."""
        found: dict[str, list[psutil.Process]] = {}
        for process in psutil.Process(pid).children(recursive=True):
            command = " ".join(process.cmdline())
            part = next((part for word, part in _PARTS.items() if word in command), None)
            if part:
                found.setdefault(part, []).append(process)
        if set(found) < {"api", "worker"}:
            raise RuntimeError(f"only {sorted(found)} are running")
        return cls(found)

    def used(self) -> Seconds:
        """User and system time of each part so far."""
        return {part: sum(_seconds(process) for process in some) for part, some in self.by_part.items()}

    def megabytes(self, part: str) -> int:
        """Resident memory of a part."""
        total: int = sum(process.memory_info().rss for process in self.by_part[part])
        return round(total / 1e6)

    async def settle(self) -> float:
        """Wait until nothing goes on any more; the seconds that took, beyond the one needed to see it."""
        started = time.monotonic()
        while time.monotonic() - started < _LONGEST_SETTLE_SECONDS:
            before = self.used()
            await asyncio.sleep(1)
            if sum(difference(before, self.used()).values()) < _IDLE_SHARE:
                break
        return round(time.monotonic() - started - 1, 1)


def difference(before: Seconds, after: Seconds) -> Seconds:
    """What was used between two readings."""
    return {part: after[part] - before[part] for part in after}


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
