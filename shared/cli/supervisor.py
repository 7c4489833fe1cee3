"""Starts processes stage by stage, keeps them running, and ends them in the reverse order."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from shared.cli.child import Child, ProcessSpec, RestartPolicy, Say
from shared.cli.process_table import ProcessTable
from shared.cli.readiness import until

READY_SECONDS = 60.0

Stage = Sequence[ProcessSpec]
"""Processes that start together, after the earlier stages are ready, and end together, before those end."""


class Supervisor:
    """Runs all stages until `stop` is set or a process is given up."""

    def __init__(
        self, stages: Sequence[Stage], table: ProcessTable, say: Say, policy: RestartPolicy | None = None
    ) -> None:
        self._stages = [[Child(spec, table, say, policy or RestartPolicy()) for spec in stage] for stage in stages]
        self._say = say
        self._running: list[list[asyncio.Task[None]]] = []
        self._stop = asyncio.Event()

    async def run(self, *, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
        """Returns after an orderly stop; raises CommandError when a process was given up, after ending the rest."""
        try:
            await self._start()
            if not self._stop.is_set():
                on_ready()
                await self._or_stop(asyncio.Event().wait())
        finally:
            on_stop()
            await self._end_all()

    def stop(self) -> None:
        """Ask for an orderly end; asked again, everything is killed."""
        if self._stop.is_set():
            for stage in self._stages:
                for child in stage:
                    child.kill()
        else:
            self._say("asked to stop; asked again, it ends everything at once")
        self._stop.set()

    async def _start(self) -> None:
        for stage in self._stages:
            self._running.append([asyncio.create_task(child.keep_running()) for child in stage])
            for child in stage:
                if child.spec.ready:
                    await self._or_stop(until(child.spec.ready, READY_SECONDS, child.spec.name))
            if self._stop.is_set():
                return

    async def _or_stop(self, goal: Coroutine[Any, Any, Any]) -> None:
        """Wait for the goal, or for the order to stop; raises when a child is given up or the goal fails."""
        waiting = {asyncio.create_task(goal), asyncio.create_task(self._stop.wait())}
        children = {task for stage in self._running for task in stage}
        done, _ = await asyncio.wait(waiting | children, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting - done:
            task.cancel()
        for task in done:
            task.result()

    async def _end_all(self) -> None:
        for stage, tasks in zip(reversed(self._stages[: len(self._running)]), reversed(self._running), strict=True):
            self._say(f"stopping {', '.join(child.spec.name for child in stage)}")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
