"""One attempt at a turn: upstream chunks become events, on the process's event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import structlog

from shared import clock, ids, tracing
from shared.core import sse_frame
from shared.core.assembly import Assembly
from shared.core.chunks import Finish, Usage, joined
from shared.core.context import Context
from shared.core.response_render import lifecycle_events
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.errors import InvalidRequest, TurnstoneError, UpstreamError
from shared.turns import turn_figures
from shared.turns.ending import turn_facts
from shared.upstream.route import Route
from shared.wire.items import Item
from shared.wire.response import Event
from workers.compacting import Compacting
from workers.publisher import Publisher, TurnLog

log = structlog.get_logger()


class TurnLost(TurnstoneError):
    """The turn was ended from outside or taken over: this attempt may change nothing any more."""


class Attempt:
    """Runs one claimed turn up to its outcome. `frames` are its events so far, encoded; unlogged turns keep none."""

    def __init__(
        self,
        turn: Turn,
        publisher: Publisher,
        start_output: Callable[[Turn], Awaitable[bool]],
        seal: Callable[[str], str] | None = None,
    ) -> None:
        self.turn = turn
        self.assembly = Assembly(lifecycle_events(turn), ids.new_item_id, ids.new_call_id, seal)
        self.log = TurnLog(turn.id, turn.attempt, self.lose)
        self._publisher = publisher
        self._start_output = start_output
        self._task: asyncio.Task[Outcome] | None = None
        self._lost = False
        self._begun = clock.monotonic()

    def lose(self) -> None:
        """Stop at once: the upstream connection closes. To be called on the event loop."""
        self._lost = True
        self._publisher.drop(self.log)
        if self._task:
            self._task.cancel()

    def open(self) -> None:
        """Say that the turn runs: the first events of its log, whatever comes of it. To be called on the event loop."""
        self._publisher.append(self.log, [sse_frame.encode(event) for event in lifecycle_events(self.turn)])

    async def run(self, upstream: Route | Compacting, context: Context, longest_seconds: float) -> Outcome:
        """Stream the upstream's answer; its failures are outcomes. Raises TurnLost."""
        if self._lost:
            raise TurnLost
        self._task = asyncio.current_task()
        try:
            async with asyncio.timeout(longest_seconds):
                with tracing.span("ask upstream"):
                    await self._stream(upstream, context)
            return self._with_facts(self.assembly.outcome(clock.now()))
        except asyncio.CancelledError:
            if self._lost:
                raise TurnLost from None
            raise
        except InvalidRequest as error:
            return self._failed("invalid_prompt", error.message)
        except UpstreamError as error:
            return self._failed(error.code, error.message)
        except TimeoutError:
            return self._failed("server_error", f"The turn took longer than {longest_seconds:g} seconds.")

    def close(self, outcome: Outcome) -> list[Event]:
        """The closing events and the terminal one; they are published only once SQL has the end."""
        return self.assembly.end(outcome)

    async def publish_closing(self, frames: list[bytes], seconds: float) -> None:
        """Publish the last frames; gives up after `seconds`, since subscribers find the end in SQL as well."""
        self.log.ended = True
        with tracing.span("publish end"):
            self._publisher.append(self.log, frames)
            await self._publisher.flushed(self.log, seconds)
        self._publisher.drop(self.log)

    async def _stream(self, upstream: Route | Compacting, context: Context) -> None:
        """Ask the upstream; with `truncation=auto`, again with fewer old items as long as they are too many."""
        if self.turn.request.get("generate") is False:  # made to be gone on from
            self.assembly.feed([Finish("stop"), Usage(0, 0)])
            return None
        while True:
            try:
                return await self._ask(upstream, context.items)
            except UpstreamError as error:
                shorter = context.without_oldest_half() if self._may_shorten(error) else None
                if shorter is None:
                    raise
            context = shorter
            log.info("history_truncated", items_before=len(context.before))

    def _may_shorten(self, error: UpstreamError) -> bool:
        # Not in the middle of an answer: the next one would be written on after it.
        unsaid = self.assembly.fold.next_output_index == 0
        return error.overflow and unsaid and bool(self.turn.request.get("truncation") == "auto")

    async def _ask(self, upstream: Route | Compacting, items: Sequence[Item]) -> None:
        started = not self.turn.logged
        async with aclosing(upstream.stream(self.turn.request, items)) as answer:
            async for chunks in answer:
                events = self.assembly.feed(joined(chunks))
                if not events or not self.turn.logged:
                    continue
                if not started:
                    started = await self._may_start_output()
                self._publisher.append(self.log, [sse_frame.encode(event) for event in events])

    async def _may_start_output(self) -> bool:
        """OUTPUT START, in SQL, after the append that sets the fence: a turn ended before this one stays as it is."""
        with tracing.span("start output"):
            await self.log.begun.wait()
            if not await self._start_output(self.turn):
                raise TurnLost
        turn_figures.began_output(self.turn, clock.monotonic() - self._begun)
        return True

    def _failed(self, code: str, message: str) -> Outcome:
        error = {"code": code, "message": message}
        usage = self.assembly.usage()
        return self._with_facts(Outcome(status=Status.FAILED, at=clock.now(), error=error, usage=usage))

    def _with_facts(self, outcome: Outcome) -> Outcome:
        outcome.facts.update(turn_facts(self.turn, outcome.at))
        return outcome
