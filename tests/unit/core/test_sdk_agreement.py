"""The official SDK reads our streams as we mean them (G13, G16)."""

from collections.abc import Sequence
from typing import Any, get_args

from core_examples import ENDED_AT, chunk_sequences, final, log_of, outcomes, turn, turns
from hypothesis import given, settings
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent

from shared.core.chunks import Chunk, Finish, Text
from shared.core.replay import replay
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.wire.response import Event

law = settings(deadline=None, max_examples=40)

_MODELS: dict[str, Any] = {
    kind: model
    for model in get_args(get_args(ResponseStreamEvent)[0])
    for kind in get_args(model.model_fields["type"].annotation)
}


def parsed(log: Sequence[Event]) -> list[Any]:
    """The SDK's typed events; its models refuse a missing or mistyped field."""
    return [_MODELS[event["type"]].model_validate(event, strict=True) for event in log]


def accumulated(log: Sequence[Event]) -> list[Any]:
    """What `client.responses.stream()` would hand out; it raises when an event comes out of order."""
    state: ResponseStreamState[None] = ResponseStreamState(input_tools=omit, text_format=omit)
    return [made for event in parsed(log) for made in state.handle_event(event)]


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes)
def test_every_event_is_one_the_sdk_knows_and_reads_unchanged(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    log = log_of(of, chunks, outcome)
    assert [event.to_dict(mode="json") for event in parsed(log)] == log


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes)
def test_the_sdks_own_accumulator_agrees(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    """G16: its growing snapshots end at the text and arguments of our final object."""
    log = log_of(of, chunks, outcome)
    snapshots: dict[tuple[int, int | None], str] = {}
    for event in accumulated(log):
        if event.type in ("response.output_text.delta", "response.function_call_arguments.delta"):
            snapshots[event.output_index, getattr(event, "content_index", None)] = event.snapshot
    assert snapshots == dict(_texts_and_arguments(final(log)["output"]))


@law
@given(of=turns, chunks=chunk_sequences)
def test_its_final_response_is_ours(of: Turn, chunks: list[Chunk]) -> None:
    """`get_final_response()` of a completed turn is the stored Response."""
    log = log_of(of, chunks, Outcome(Status.COMPLETED, ENDED_AT))
    last = accumulated(log)[-1]
    assert last.type == "response.completed"
    assert _without_parsed(last.response.to_dict(mode="json")) == final(log)


@law
@given(of=turns, chunks=chunk_sequences, outcome=outcomes)
def test_it_reads_replayed_streams_too(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    stored = final(log_of(of, chunks, outcome))
    assert accumulated(replay(of, stored))[-1].response.id == of.id


def test_output_text_is_what_the_model_said() -> None:
    last = accumulated(log_of(turn(), [Text("Hello "), Text("there"), Finish("stop")]))[-1]
    assert last.response.output_text == "Hello there"


def _texts_and_arguments(output: list[dict[str, Any]]) -> list[tuple[tuple[int, int | None], str]]:
    """Each text and each call's arguments with its place; empty arguments had no delta."""
    found: list[tuple[tuple[int, int | None], str]] = []
    for index, item in enumerate(output):
        if item.get("arguments"):
            found.append(((index, None), item["arguments"]))
        for part_index, part in enumerate(item.get("content", ())):
            if part["type"] == "output_text":
                found.append(((index, part_index), part["text"]))
    return found


def _without_parsed(value: Any) -> Any:
    """The SDK adds `parsed` and `parsed_arguments` to what it hands out."""
    if isinstance(value, dict):
        return {key: _without_parsed(one) for key, one in value.items() if key not in ("parsed", "parsed_arguments")}
    return [_without_parsed(one) for one in value] if isinstance(value, list) else value
