"""The main job, run against a server over HTTP and told in a few lines; each line is checked before it is printed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from shared.cli.api_client import ApiClient, Json, Refused, delta_text, numbers, output_text
from shared.cli.errors import CommandError
from shared.clock import monotonic

PROMPT = "count to 200"
FOLLOW_UP = "What did I ask you before?"

_ENDED = ("completed", "incomplete", "failed", "cancelled")
_POLL_SECONDS = 0.02
_AWAY_SECONDS = 0.5
"""How long the client stays away after dropping the connection, and how long a cancelled turn is watched."""


@dataclass
class Turn:
    """The turn the story is about: its events as received, and the statuses that polling sees meanwhile."""

    id: str
    events: list[Json]
    statuses: asyncio.Task[list[str]]
    delta_times: list[float] = field(default_factory=list)

    def add(self, event: Json) -> None:
        """Take the next event of the live stream."""
        self.events.append(event)
        if event["type"].endswith(".delta"):
            self.delta_times.append(monotonic())


@dataclass
class Account:
    """Tells the story of one run. `strict` relies on the demo upstream's long, known answers."""

    client: ApiClient
    strict: bool
    say: Callable[[str], None]
    _lines: int = field(default=0, init=False)
    _polling: asyncio.Task[list[str]] | None = field(default=None, init=False)

    async def tell(self) -> None:
        """Run everything; raises CommandError at the first thing that is not as it should be."""
        try:
            await self._tell()
        finally:
            if self._polling:
                self._polling.cancel()

    async def _tell(self) -> None:
        turn = await self._begin_and_drop()
        await asyncio.sleep(_AWAY_SECONDS)
        await self._resume(turn)
        await self._see_statuses(turn)
        await self._cancel()
        stored = await self._see_stored_text(turn)
        await self._follow_up(stored)

    def _line(self, label: str, text: str) -> None:
        self._lines += 1
        self.say(f"{self._lines}  {label:<11} {text}")

    async def _begin_and_drop(self) -> Turn:
        started = monotonic()
        async with aclosing(self.client.create_streamed(PROMPT)) as stream:
            created = await anext(stream)
            response = created["response"]
            self._line("id", f"{response['id'][:15]}… returned after {_ms(started)} ms, {response['status']}")
            self._polling = asyncio.create_task(_statuses(self.client, response["id"], response["status"]))
            turn = Turn(response["id"], [created], self._polling)
            async for event in stream:
                turn.add(event)
                if len(turn.delta_times) == (20 if self.strict else 3):
                    break
        self._see_deltas(turn, started)
        self._see_drop(turn)
        return turn

    def _see_deltas(self, turn: Turn, started: float) -> None:
        times = turn.delta_times
        _check(bool(times), "the stream brought no delta")
        _check(not self.strict or not turn.statuses.done(), "the deltas came only when the turn had ended")
        first, last = _ms(started, times[0]), _ms(started, times[-1])
        self._line("deltas", f"live: the first after {first} ms, {len(times)} within {last} ms")

    def _see_drop(self, turn: Turn) -> None:
        if turn.events[-1]["type"].endswith(".delta"):
            self._line("dropped", f"connection closed at sequence {len(turn.events) - 1}, in mid-answer")
        else:
            _check(not self.strict, "the answer ended before the connection could be dropped")
            del turn.events[len(turn.events) // 2 :]
            self._line("dropped", f"short answer, already ended; its second half from {len(turn.events)} on is dropped")

    async def _resume(self, turn: Turn) -> None:
        last_seen = turn.events[-1]["sequence_number"]
        missed = [event async for event in self.client.resume(turn.id, starting_after=last_seen)]
        turn.events += missed
        replay = [event async for event in self.client.resume(turn.id)]
        _check(numbers(turn.events) == list(range(len(turn.events))), "sequence numbers are missing or doubled")
        _check(turn.events == replay, "the stream in two parts differs from its replay from the start")
        self._line(
            "resumed",
            f"after {last_seen}: {len(missed)} events, none missing or doubled; equal to a replay of all {len(replay)}",
        )

    async def _see_statuses(self, turn: Turn) -> None:
        seen = await turn.statuses
        wanted = ["queued", "in_progress", "completed"]
        _check(seen[-1] in ("completed", "incomplete"), f"the turn ended {seen[-1]}")
        _check(not self.strict or seen == wanted, f"polling saw {seen}, not {wanted}")
        self._line("polled", " → ".join(seen))

    async def _see_stored_text(self, turn: Turn) -> Json:
        stored = await self.client.retrieve(turn.id)
        text = output_text(stored)
        _check(text == delta_text(turn.events), "the stored text is not the streamed text")
        _check(stored == turn.events[-1]["response"], "the stored response is not that of the last event")
        self._line("stored", f"{_brief(text)} = all deltas joined; {_usage(stored)}{_reason(stored)}")
        return stored

    async def _cancel(self) -> None:
        cancelled = await self._cancelled_turn()
        _check(cancelled["status"] == "cancelled", f"the cancelled turn is {cancelled['status']}")
        await asyncio.sleep(_AWAY_SECONDS)
        later = await self.client.retrieve(cancelled["id"])
        _check(later == cancelled, "the cancelled turn changed afterwards")
        last = [event async for event in self.client.resume(cancelled["id"])][-1]
        _check(last["response"]["status"] == "cancelled", "its stream does not end as cancelled")
        self._line("cancelled", f"another turn, in mid-answer: it stopped, and kept {_brief(output_text(later))}")

    async def _cancelled_turn(self) -> Json:
        for _ in range(3):
            async with aclosing(self.client.create_streamed(PROMPT)) as stream:
                response_id = (await anext(stream))["response"]["id"]
                await _see(stream, deltas=10 if self.strict else 1)
            try:
                return await self.client.cancel(response_id)
            except Refused as refusal:
                if self.strict or refusal.status != 400:
                    raise
        raise CommandError(
            "Three turns ended before they could be cancelled; ask for a slower model or longer answers."
        )

    async def _follow_up(self, parent: Json) -> None:
        child = await self._ended_turn(previous_response_id=parent["id"])
        alone = await self._ended_turn()
        text = output_text(child)
        _check(child["previous_response_id"] == parent["id"], "the follow-up does not name its parent")
        _check(not self.strict or PROMPT in text, "the follow-up does not remember what was asked before")
        read, read_alone = _tokens_read(child), _tokens_read(alone)
        _check(
            read is None or read_alone is None or read > read_alone, "the model read no more than without the parent"
        )
        tokens = "" if read is None else f"; the model read {read} tokens, without the parent {read_alone}"
        self._line("follow-up", f"remembers: {_brief(text)}{tokens}")

    async def _ended_turn(self, **fields: object) -> Json:
        created = await self.client.create(FOLLOW_UP, **fields)
        *_, status = await _statuses(self.client, created["id"], created["status"])
        _check(status in ("completed", "incomplete"), f"the follow-up ended {status}")
        return await self.client.retrieve(created["id"])


async def _see(stream: AsyncIterator[Json], deltas: int) -> None:
    async for event in stream:
        deltas -= event["type"].endswith(".delta")
        if deltas == 0:
            return


async def _statuses(client: ApiClient, response_id: str, first: str) -> list[str]:
    seen = [first]
    while seen[-1] not in _ENDED:
        status = (await client.retrieve(response_id))["status"]
        if status != seen[-1]:
            seen.append(status)
        await asyncio.sleep(_POLL_SECONDS)
    return seen


def _tokens_read(response: Json) -> int | None:
    return (response["usage"] or {}).get("input_tokens")


def _usage(response: Json) -> str:
    usage = response["usage"]
    return f"{usage['input_tokens']} tokens read, {usage['output_tokens']} written" if usage else "no usage told"


def _reason(response: Json) -> str:
    details = response["incomplete_details"]
    return f"; incomplete: {details['reason']}" if details else ""


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CommandError(f"The demo failed: {otherwise}.")


def _ms(started: float, until: float | None = None) -> int:
    return round(((until or monotonic()) - started) * 1000)


def _brief(text: str) -> str:
    words = " ".join(text.split())
    shown = words if len(words) <= 60 else f"{words[:28].rstrip()} … {words[-28:].lstrip()}"
    return f"“{shown}” ({len(text)} characters)"
