"""R7, Q3: the Chat Completions upstream against a real HTTP server that answers on command."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from shared.core.chunks import Chunk, Finish, Reasoning, Text, ToolCall, Usage
from tests import upstream_steps as steps
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_calls import asking, client, run, with_closing
from tests.upstream_steps import Done, Gate, Raw, Reply, Say, Stall, Step


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


def test_an_answer_with_everything(server: ScriptedUpstream) -> None:
    server.script(
        "all",
        [
            steps.Think("Hm."),
            Say("Let me "),
            Say("look."),
            steps.ToolPiece(id="c1", name="f"),
            steps.ToolPiece('{"a":1}'),
            steps.Finish("tool_calls"),
            steps.Tokens(5, 7),
            Done(),
        ],
    )
    assert run(client(server), asking("all")).chunks == [
        Reasoning("Hm."),
        Text("Let me "),
        Text("look."),
        ToolCall(0, "c1", "f"),
        ToolCall(0, arguments='{"a":1}'),
        Finish("tool_calls"),
        Usage(5, 7),
    ]


def test_what_is_sent(server: ScriptedUpstream) -> None:
    """R7: the turn as a chat, streamed, with usage asked for and the key as a bearer token."""
    run(client(server, api_key="sk-secret\n"), asking("x", temperature=0.5))
    (call,) = server.calls
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "temperature": 0.5}
    assert call.body == asked | streamed
    assert call.headers["Authorization"] == "Bearer sk-secret"
    assert call.headers["Accept-Encoding"] == "identity"


def test_without_a_key_none_is_sent(server: ScriptedUpstream) -> None:
    run(client(server), asking("x"))
    assert "Authorization" not in server.calls[0].headers


def test_what_arrives_together_travels_together(server: ScriptedUpstream) -> None:
    server.script("both", [Raw(steps.event_of(Say("a")) + steps.event_of(Say("b"))), Gate("never")])
    upstream = client(server)

    async def first_batch() -> list[Chunk]:
        async with aclosing(upstream.stream(*asking("both"))) as batches:
            return await anext(batches)

    assert with_closing(upstream, first_batch()) == [Text("a"), Text("b")]


def test_tokens_are_handed_on_as_they_come(server: ScriptedUpstream) -> None:
    server.script("slow", [Say("a"), Gate("b"), Say("b"), steps.Finish()])
    upstream = client(server)

    async def step_by_step() -> list[list[Chunk]]:
        async with aclosing(upstream.stream(*asking("slow"))) as batches:
            first = await anext(batches)
            server.open("b")
            return [first] + [batch async for batch in batches]

    batches = with_closing(upstream, step_by_step())
    assert batches[0] == [Text("a")]
    assert [chunk for batch in batches for chunk in batch] == [Text("a"), Text("b"), Finish("stop")]


def test_slow_slices(server: ScriptedUpstream) -> None:
    whole = b"".join(steps.event_of(step) for step in (Say("Grüße "), Say("🦆"), steps.Finish(), Done()))
    server.script("slices", [Raw(whole, slice_bytes=1)])
    assert run(client(server), asking("slices")).chunks == [Text("Grüße "), Text("🦆"), Finish("stop")]


def test_a_connection_serves_again(server: ScriptedUpstream) -> None:
    """A thousand turns a second would otherwise run out of ports."""
    upstream = client(server)

    async def twice() -> None:
        for _ in range(2):
            async with aclosing(upstream.stream(*asking("x"))) as batches:
                assert [batch async for batch in batches] != []

    with_closing(upstream, twice())
    first, second = server.calls
    assert first.peer == second.peer


def test_closing_the_stream_hangs_up(server: ScriptedUpstream) -> None:
    """Q3, Q4, G19: the upstream sees the close within a second, though it was in the middle of its answer."""
    server.script("x", [Say("a"), Stall()])
    upstream = client(server)

    async def leave_early() -> None:
        async with aclosing(upstream.stream(*asking("x"))) as batches:
            assert await anext(batches) == [Text("a")]
        await asyncio.to_thread(server.calls[0].wait_closed_by_client, 1)

    with_closing(upstream, leave_early())


@pytest.mark.parametrize(
    "under_way",
    [[Gate("never")], [Stall()], [Say("a"), Gate("never")]],
    ids=["before the headers", "before the first byte", "in the middle"],
)
def test_cancelling_the_task_hangs_up(server: ScriptedUpstream, under_way: list[Step]) -> None:
    """Q3, G20: at whatever point it was."""
    server.script("x", under_way)
    upstream = client(server)

    async def consume() -> None:
        async with aclosing(upstream.stream(*asking("x"))) as batches:
            async for _ in batches:
                pass

    async def cancel_under_way() -> None:
        task = asyncio.create_task(consume())
        (call,) = await asyncio.to_thread(server.wait_for_calls, 1)
        if Gate("never") in under_way:
            await asyncio.to_thread(server.wait_at, "never")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(call.wait_closed_by_client, 1)

    with_closing(upstream, cancel_under_way())


def test_cancelling_ends_the_wait_for_a_retry(server: ScriptedUpstream) -> None:
    """Q3: a cancelled turn does not call again."""
    server.script("x", [Reply(429, headers={"Retry-After": "30"})])
    upstream = client(server)

    async def cancel_while_waiting() -> float:
        task = asyncio.create_task(anext(upstream.stream(*asking("x"))))
        (call,) = await asyncio.to_thread(server.wait_for_calls, 1)
        await asyncio.to_thread(call.wait_ended)
        cancelled_at = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - cancelled_at

    assert with_closing(upstream, cancel_while_waiting()) < 1
    assert len(server.calls) == 1
