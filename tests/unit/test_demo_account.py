"""The demo's account is no show: each lie of a server makes it stop and say what is wrong."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from shared.cli import account
from shared.cli.account import FOLLOW_UP, PROMPT, Account
from shared.cli.api_client import Json, Refused
from shared.cli.errors import CommandError

WORDS = [f"{number} " for number in range(1, 31)]


class Server:
    """Stands in for the API, telling the truth unless a test overrides how something is told."""

    def __init__(self, words: list[str] = WORDS) -> None:
        self.words = words
        self.cancelled: set[str] = set()
        self.recalled = f"You said: {PROMPT}"
        self.remembered_tokens = 90
        self.polls = iter(["queued", "in_progress"])
        self.tamper: Callable[[list[Json]], list[Json]] = lambda events: events
        self.turns = 0

    async def create(self, text: str, previous_response_id: str | None = None) -> Json:
        assert text == FOLLOW_UP
        read = self.remembered_tokens if previous_response_id else 10
        return response(f"follow-up {read} {previous_response_id}", "", read, previous_response_id)

    async def create_streamed(self, text: str) -> AsyncGenerator[Json, None]:
        self.turns += 1
        for event in self.events(f"turn-{self.turns}"):
            yield event

    async def resume(self, response_id: str, starting_after: int = -1) -> AsyncGenerator[Json, None]:
        missing = self.events(response_id)[starting_after + 1 :]
        for event in self.tamper(missing) if starting_after >= 0 else missing:
            yield event

    async def retrieve(self, response_id: str) -> Json:
        if response_id.startswith("follow-up"):
            _, read, parent = response_id.split()
            text = self.recalled if parent != "None" else "You asked nothing."
            return response(response_id, text, int(read), None if parent == "None" else parent)
        if response_id in self.cancelled:
            return self.stopped(response_id)
        stored = response(response_id, "".join(self.words))
        return {**stored, "status": next(self.polls, "completed")} if response_id == "turn-1" else stored

    async def cancel(self, response_id: str) -> Json:
        self.cancelled.add(response_id)
        return self.stopped(response_id)

    def stopped(self, response_id: str) -> Json:
        return {**response(response_id, self.words[0]), "status": "cancelled"}

    def events(self, response_id: str) -> list[Json]:
        whole = response(response_id, "".join(self.words))
        end = self.stopped(response_id) if response_id in self.cancelled else whole
        events: list[Json] = [{"type": "response.created", "response": {**whole, "status": "queued"}}]
        events += [{"type": "response.output_text.delta", "delta": word} for word in self.words]
        events += [{"type": "response.completed", "response": end}]
        return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def response(response_id: str, text: str, read: int = 10, parent: str | None = None) -> Json:
    output = [{"type": "message", "content": [{"type": "output_text", "text": text}]}]
    return {
        "id": response_id,
        "status": "completed",
        "incomplete_details": None,
        "output": output,
        "usage": {"input_tokens": read, "output_tokens": len(text.split())},
        "previous_response_id": parent,
    }


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "_AWAY_SECONDS", 0)
    monkeypatch.setattr(account, "_POLL_SECONDS", 0)


def tell(server: Any, *, strict: bool = True) -> list[str]:
    lines: list[str] = []
    asyncio.run(Account(server, strict, lines.append).tell())
    return lines


def test_a_truthful_server_gives_one_line_per_promise() -> None:
    lines = tell(Server())
    told = ["id", "deltas", "dropped", "resumed", "polled", "cancelled", "stored", "follow-up"]
    assert [line.split()[:2] for line in lines] == [[str(number), name] for number, name in enumerate(told, start=1)]
    assert any("queued → in_progress → completed" in line for line in lines)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda events: events[1:],
        lambda events: events[:3] + events[4:],
        lambda events: [events[0], *events],
    ],
    ids=["first one missing", "one missing inside", "one doubled"],
)
def test_a_resumed_stream_with_a_hole_or_a_double_is_noticed(tamper: Callable[[list[Json]], list[Json]]) -> None:
    server = Server()
    server.tamper = tamper
    with pytest.raises(CommandError, match="missing or doubled"):
        tell(server)


def test_a_resumed_stream_with_another_text_is_noticed() -> None:
    server = Server()
    server.tamper = lambda events: [{**events[0], "delta": "other"}, *events[1:]]
    with pytest.raises(CommandError, match="differs from its replay"):
        tell(server)


def test_deltas_that_come_only_at_the_end_are_noticed() -> None:
    server = Server()
    live = server.create_streamed

    async def buffered(text: str) -> AsyncGenerator[Json, None]:
        async for event in live(text):
            yield event
            await asyncio.sleep(0)  # lets the polling go on to the end of the turn

    server.create_streamed = buffered
    with pytest.raises(CommandError, match="only when the turn had ended"):
        tell(server)


def test_a_status_that_jumps_is_noticed() -> None:
    server = Server()
    server.polls = iter([])
    with pytest.raises(CommandError, match="polling saw"):
        tell(server)


def test_a_cancelled_turn_that_goes_on_is_noticed() -> None:
    server = Server()
    server.stopped = lambda response_id: {**response(response_id, "".join(server.words)), "status": "in_progress"}
    with pytest.raises(CommandError, match="the cancelled turn is in_progress"):
        tell(server)


def test_a_follow_up_that_forgot_is_noticed() -> None:
    server = Server()
    server.recalled = "Who are you?"
    with pytest.raises(CommandError, match="does not remember"):
        tell(server)


def test_on_a_real_server_it_is_the_tokens_read_that_show_a_follow_up_remembering() -> None:
    server = Server()
    server.recalled = "blorp"
    assert any("the model read 90 tokens, without the parent 10" in line for line in tell(server, strict=False))
    server.remembered_tokens = 10
    with pytest.raises(CommandError, match="read no more"):
        tell(server, strict=False)


def test_an_answer_that_ends_before_the_drop_is_a_failure_of_the_demo_stack() -> None:
    with pytest.raises(CommandError, match="ended before the connection could be dropped"):
        tell(Server(WORDS[:5]))


def test_on_a_real_server_short_answers_and_unseen_statuses_are_no_failure() -> None:
    server = Server(WORDS[:2])
    server.polls = iter([])
    assert any("short answer" in line for line in tell(server, strict=False))


def test_on_a_real_server_a_turn_that_ended_before_its_cancel_is_tried_again() -> None:
    server = Server(WORDS[:5])
    refusals = iter([Refused(400, "Cannot cancel a completed response.")])
    cancel = server.cancel

    async def refuse_once(response_id: str) -> Json:
        for refusal in refusals:
            raise refusal
        return await cancel(response_id)

    server.cancel = refuse_once
    assert any("cancelled" in line for line in tell(server, strict=False))
    assert server.turns == 3
