"""One supervised process: started, watched, started again, and ended within its deadline."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.cli.errors import CommandError
from shared.cli.process_table import ProcessTable
from shared.cli.readiness import Check
from shared.clock import monotonic

Say = Callable[[str], None]


@dataclass(frozen=True)
class ProcessSpec:
    """What to run. `ready` tells whether it serves yet; `stop_seconds` is how long it may take to end by itself."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_seconds: float = 10
    inherited_fds: tuple[int, ...] = ()
    ready: Check | None = None


@dataclass(frozen=True)
class RestartPolicy:
    """When a dead process comes back, and when it never will.

    One that once lived for `settled_seconds` is restarted for ever: what it died of (a database that is away) passes.
    One that never did is given up after `attempts`: what it dies of is a wrong setting.
    """

    attempts: int = 3
    settled_seconds: float = 10
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 30

    def delay_seconds(self, deaths: int) -> float:
        """The wait before the restart after so many deaths in a row."""
        return min(self.longest_delay_seconds, self.first_delay_seconds * 2.0 ** min(deaths - 1, 16))


class Child:
    """Keeps one process running while the task of `keep_running` lives; cancelling that task ends the process."""

    def __init__(self, spec: ProcessSpec, table: ProcessTable, say: Say, policy: RestartPolicy) -> None:
        self.spec = spec
        self._table = table
        self._say = say
        self._policy = policy
        self._process: asyncio.subprocess.Process | None = None
        self._killed = False

    async def keep_running(self) -> None:
        """Start the process, and start it again whenever it dies; raises CommandError when it never gets going."""
        deaths, settled = 0, False
        while True:
            started = monotonic()
            code = await self._run_once()
            if self._killed:
                return
            lived_well = monotonic() - started >= self._policy.settled_seconds
            settled = settled or lived_well
            deaths = 1 if lived_well else deaths + 1
            if not settled and deaths >= self._policy.attempts:
                raise CommandError(
                    f"{self.spec.name} died {deaths} times at start, last with {_cause(code)}; see above."
                )
            delay = self._policy.delay_seconds(deaths)
            self._say(f"{self.spec.name} died with {_cause(code)}; starting it again in {delay:g} s")
            await asyncio.sleep(delay)

    def kill(self) -> None:
        """End the process and what it started, now and for good."""
        self._killed = True
        if self._process and self._process.returncode is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    async def _run_once(self) -> int:
        spec = self.spec
        self._process = await asyncio.create_subprocess_exec(
            *spec.command, env=dict(spec.environment), pass_fds=spec.inherited_fds, start_new_session=True
        )
        self._table.add(spec.name, self._process.pid)
        try:
            return await self._process.wait()
        finally:
            await self._end(self._process)
            self._table.remove(self._process.pid)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(self.spec.stop_seconds):
                await process.wait()
        except TimeoutError:
            self._say(f"{self.spec.name} did not end within {self.spec.stop_seconds:g} s; killing it")
            self.kill()
            await process.wait()


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
