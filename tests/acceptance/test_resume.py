"""Streams that break and go on: every event once, on any API process, at any time (S2, G13, G14, G16)."""

from itertools import chain
from typing import Any

import pytest
from openai import OpenAI

from tests.acceptance.turns import answer, ended, script_gated
from tests.raw_http import DONE, RawStream, numbers, parse_frame, text_of
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Gate, Step

Event = dict[str, Any]


def background(topic: str, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": topic, "background": True, "stream": True} | fields


def finished_stream(stack: Stack, topic: str) -> tuple[str, list[Event], list[bytes]]:
    """A turn that has ended: its id, its events and their bytes."""
    with RawStream.post(stack.url(), "/responses", background(f"a b c {topic}")) as stream:
        events = list(stream.events())
    return events[0]["response"]["id"], events, stream.frames


def test_a_client_killed_in_mid_stream_goes_on_at_another_process_and_misses_nothing(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """S2, G16: seen before the break + seen after it = the stored text."""
    script_gated(upstream, topic)
    with RawStream.post(stack.url(0), "/responses", background(topic)) as stream:
        before = stream.until("response.output_text.delta")
    response_id = before[0]["response"]["id"]
    path = f"/responses/{response_id}?stream=true&starting_after={before[-1]['sequence_number']}"
    with RawStream.get(stack.url(1), path) as resumed:
        upstream.open(topic)
        after = list(resumed.events())
    both = before + after
    assert numbers(both) == list(range(len(both)))
    assert text_of(both) == "First. Last." == client.responses.retrieve(response_id).output_text
    assert resumed.frames[-1] == DONE


def test_resuming_after_any_number_gives_exactly_the_rest(stack: Stack, topic: str) -> None:
    """G14, as emitted: the snapshots in the first events still say queued."""
    response_id, events, _ = finished_stream(stack, topic)
    for after in range(-1, len(events)):
        path = f"/responses/{response_id}?stream=true&starting_after={after}"
        with RawStream.get(stack.url(after % 2), path) as stream:
            assert list(stream.events()) == events[after + 1 :]


def test_resuming_by_last_event_id_gives_exactly_the_rest(stack: Stack, topic: str) -> None:
    """G14, the way of browsers and fetch-based clients; the header stands above the query."""
    response_id, events, _ = finished_stream(stack, topic)
    for after in range(len(events)):
        path = f"/responses/{response_id}/events?starting_after=0"
        with RawStream.get(stack.url(after % 2), path, {"last-event-id": str(after)}) as stream:
            assert list(stream.events()) == events[after + 1 :]


def test_resuming_while_the_turn_runs_gives_exactly_the_rest(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    """G14, from the live log."""
    script_gated(upstream, topic, before="a b c")
    with RawStream.post(stack.url(), "/responses", background(topic)) as stream:
        seen = stream.until("response.output_text.delta")
        path = f"/responses/{seen[0]['response']['id']}?stream=true&starting_after="
        readers = [RawStream.get(stack.url(after % 2), f"{path}{after}") for after in range(-1, len(seen))]
        upstream.open(topic)
        whole = seen + list(stream.events())
    for after, reader in enumerate(readers, start=-1):
        with reader:
            assert list(reader.events()) == whole[after + 1 :]


def test_a_replay_is_the_same_bytes_as_the_live_stream(stack: Stack, topic: str) -> None:
    response_id, _, frames = finished_stream(stack, topic)
    with RawStream.get(stack.url(1), f"/responses/{response_id}?stream=true") as replayed:
        assert list(replayed.raw_events()) == frames


def test_after_the_last_number_there_is_an_empty_stream(stack: Stack, topic: str) -> None:
    response_id, events, _ = finished_stream(stack, topic)
    for after in (len(events) - 1, len(events), 2**31 - 1):
        with RawStream.get(stack.url(), f"/responses/{response_id}?stream=true&starting_after={after}") as stream:
            assert stream.status == 200
            assert list(stream.raw_events()) == [DONE]


def test_a_connection_cut_at_any_byte_loses_and_doubles_nothing(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    """G14: what a client has understood is what it can go on from, wherever the bytes broke off."""
    upstream.script(topic, answer("one ", Gate(topic), "two ", "three"))
    with RawStream.post(stack.url(), "/responses", background(topic)) as stream:
        opening = stream.until("response.output_text.delta")
        response_id = opening[0]["response"]["id"]
        live = [RawStream.get(stack.url(1), f"/responses/{response_id}?stream=true") for _ in range(24)]
        upstream.open(topic)
        whole = opening + list(stream.events())
    size = len(b"".join(stream.frames))
    offsets = range(1, size, size // 23)
    for offset, reader in zip(offsets, live, strict=False):
        with reader:
            seen = understood(cut_at(reader, offset))
        last = seen[-1]["sequence_number"] if seen else -1
        with RawStream.get(stack.url(0), f"/responses/{response_id}?stream=true&starting_after={last}") as resumed:
            assert seen + list(resumed.events()) == whole


def test_several_subscribers_see_the_same(stack: Stack, upstream: ScriptedUpstream, topic: str) -> None:
    """G16: early and late ones, on both processes."""
    script_gated(upstream, topic)
    with RawStream.post(stack.url(), "/responses", background(topic)) as first:
        created = first.next_event()
        path = f"/responses/{created['response']['id']}?stream=true"
        readers = [RawStream.get(stack.url(number % 2), path) for number in range(6)]
        upstream.wait_at(topic)
        readers += [RawStream.get(stack.url(number % 2), path) for number in range(6)]
        upstream.open(topic)
        whole = [created, *first.events()]
    for reader in readers:
        with reader:
            assert list(reader.events()) == whole


def test_a_background_turn_made_without_stream_can_be_streamed_too(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    script_gated(upstream, topic)
    turn = client.responses.create(model="m", input=topic, background=True)
    with RawStream.get(stack.url(1), f"/responses/{turn.id}?stream=true") as stream:
        upstream.open(topic)
        events = list(stream.events())
    assert numbers(events) == list(range(len(events)))
    assert text_of(events) == "First. Last."


def test_a_foreground_turn_cannot_be_streamed_by_id_but_its_events_can_be_read(
    stack: Stack, client: OpenAI, topic: str
) -> None:
    turn = client.responses.create(model="m", input=topic)
    with RawStream.get(stack.url(), f"/responses/{turn.id}?stream=true") as refused:
        assert refused.status == 400
        assert b'"stream"' in refused.body()
    with RawStream.get(stack.url(), f"/responses/{turn.id}/events") as stream:
        events = list(stream.events())
    assert text_of(events) == topic
    assert events[-1]["response"] == turn.to_dict(mode="json")


@pytest.mark.parametrize("given", ["x", "1.5", "-2", "99999999999999999999", "1 OR 1=1"])
def test_a_number_that_is_none_is_a_400(stack: Stack, client: OpenAI, topic: str, given: str) -> None:
    turn = client.responses.create(model="m", input=topic, background=True)
    ended(client, turn.id)
    escaped = given.replace(" ", "%20")
    with RawStream.get(stack.url(), f"/responses/{turn.id}?stream=true&starting_after={escaped}") as refused:
        assert refused.status == 400
        assert b'"param":"starting_after"' in refused.body()
    with RawStream.get(stack.url(), f"/responses/{turn.id}/events", {"last-event-id": given}) as refused:
        assert refused.status == 400


def test_long_answers_come_whole_to_readers_who_join_in_the_middle(
    stack: Stack, upstream: ScriptedUpstream, topic: str
) -> None:
    """More events than one read of the log, or one flush of the publisher, takes."""
    words = [f"{number} " for number in range(3000)]
    steps: list[Step | str] = [*chain(words[:1500], [Gate(topic)], words[1500:])]
    upstream.script(topic, answer(*steps))
    with RawStream.post(stack.url(), "/responses", background(topic)) as stream:
        created = stream.next_event()
        upstream.wait_at(topic)
        with RawStream.get(stack.url(1), f"/responses/{created['response']['id']}?stream=true") as joined:
            upstream.open(topic)
            events = list(joined.events())
        assert numbers(events) == list(range(len(events)))
        assert text_of(events) == "".join(words)
        assert [created, *stream.events()] == events


def cut_at(stream: RawStream, offset: int) -> bytes:
    """The first `offset` bytes of the body, as a broken connection leaves them."""
    read = bytearray()
    for chunk in stream.chunks():
        read += chunk
        if len(read) >= offset:
            break
    return bytes(read[:offset])


def understood(received: bytes) -> list[Event]:
    """The events that are whole in what was received."""
    frames = [frame for frame in received.split(b"\n\n")[:-1] if frame.startswith(b"event: ")]
    return [parse_frame(frame) for frame in frames]
