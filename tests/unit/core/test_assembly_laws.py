"""The laws of a turn's events, for any chunks under any outcome (G13, G16, R11, S3)."""

import itertools
from collections import Counter

import pytest
from core_examples import ENDED_AT, TOOLS, assembly, chunk_sequences, final, log_of, outcomes, turn, turns
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.assembly import Assembly
from shared.core.chunks import Chunk, Finish, Reasoning, Refusal, Text, ToolCall, Usage
from shared.core.custom_input import CustomInput
from shared.core.response_fold import ResponseFold
from shared.core.response_render import lifecycle_events
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.errors import UpstreamError
from shared.wire.response import CALLS, TERMINAL_EVENTS, Event
from tests.stream_rules import check_stream

law = settings(deadline=None, max_examples=60)
any_turn = {"of": turns, "chunks": chunk_sequences, "outcome": outcomes}


@law
@given(**any_turn)
def test_numbers_have_no_gap_and_one_terminal_event_is_last(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    """G13: 0, 1, 2, … from `response.created` to exactly one terminal event."""
    log = log_of(of, chunks, outcome)
    kinds = [event["type"] for event in log]
    lifecycle = ["response.created", *(["response.queued"] if of.background else []), "response.in_progress"]
    assert [event["sequence_number"] for event in log] == list(range(len(log)))
    assert kinds[: len(lifecycle)] == lifecycle
    assert [kind for kind in kinds if kind in TERMINAL_EVENTS] == kinds[-1:]


@law
@given(**any_turn)
def test_events_obey_the_ordering_rules(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    """Items are added before their parts, parts before their deltas; what is done is what was added."""
    check_stream(log_of(of, chunks, outcome))


@law
@given(**any_turn)
def test_the_fold_is_the_terminal_response(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    """G16: what the stream adds up to is what is stored; the terminal event brings no text of its own."""
    log = log_of(of, chunks, outcome)
    assert ResponseFold.of(log).response() == final(log)
    assert ResponseFold.of(log[:-1]).output() == final(log)["output"]


@law
@given(**any_turn)
def test_deltas_and_done_events_and_the_final_output_say_the_same(
    of: Turn, chunks: list[Chunk], outcome: Outcome
) -> None:
    """G16: each byte of text reaches the client once as a delta, and the whole is repeated truly."""
    log = log_of(of, chunks, outcome)
    deltas: dict[tuple[object, object], str] = {}
    for event in log:
        where = (event.get("output_index"), event.get("content_index"))
        if event["type"].endswith(".delta"):
            deltas[where] = deltas.get(where, "") + event["delta"]
        elif event["type"].endswith(("_text.done", "refusal.done", "arguments.done", "input.done")):
            assert _whole(event) == deltas.get(where, "")
    for index, item in enumerate(final(log)["output"]):
        if item["type"] in CALLS:
            assert item[CALLS[item["type"]].key] == deltas.pop((index, None), "")
        for part_index, part in enumerate(item.get("content", ())):
            assert part.get("text", part.get("refusal")) == deltas.pop((index, part_index))
    assert not deltas


def _whole(event: Event) -> str:
    return next(str(event[key]) for key in ("text", "refusal", "arguments", "input") if key in event)  # type: ignore[literal-required]


@law
@given(of=turns, chunks=chunk_sequences)
def test_every_character_of_the_upstream_arrives_once(of: Turn, chunks: list[Chunk]) -> None:
    """R11: nothing the model said is lost or doubled, however it switches between text, refusal, reasoning, calls."""
    output = final(log_of(of, chunks))["output"]
    parts = [part for item in output for part in item.get("content", ())]
    for chunk_type, kind, key in (
        (Text, "output_text", "text"),
        (Refusal, "refusal", "refusal"),
        (Reasoning, "reasoning_text", "text"),
    ):
        said = "".join(chunk.text for chunk in chunks if isinstance(chunk, chunk_type))
        assert "".join(part[key] for part in parts if part["type"] == kind) == said
    arguments: dict[int, str] = {}
    for chunk in chunks:
        if isinstance(chunk, ToolCall):
            arguments[chunk.position] = arguments.get(chunk.position, "") + chunk.arguments
    calls = [item for item in output if item["type"] in CALLS]
    for item, written in zip(calls, arguments.values(), strict=True):
        custom = item["type"] == "custom_tool_call"
        assert item["input" if custom else "arguments"] == (CustomInput().feed(written) if custom else written)


@law
@given(of=turns, chunks=chunk_sequences)
def test_logprobs_are_kept_with_their_text(of: Turn, chunks: list[Chunk]) -> None:
    output = final(log_of(of, chunks))["output"]
    kept = [
        entry
        for item in output
        for part in item.get("content", ())
        if part["type"] == "output_text"
        for entry in part["logprobs"]
    ]
    assert kept == [entry for chunk in chunks if isinstance(chunk, Text) and chunk.text for entry in chunk.logprobs]


@law
@given(**any_turn, cuts=st.lists(st.integers(0, 12), max_size=4))
def test_how_the_chunks_are_batched_does_not_matter(
    of: Turn, chunks: list[Chunk], outcome: Outcome, cuts: list[int]
) -> None:
    assembled, batched = assembly(of), lifecycle_events(of)
    edges = sorted({0, *cuts, len(chunks)})
    for start, stop in itertools.pairwise(edges):
        batched += assembled.feed(chunks[start:stop])
    assert batched + assembled.end(outcome) == log_of(of, chunks, outcome)


@law
@given(**any_turn, cut=st.integers(0, 80))
def test_a_fold_cut_anywhere_and_continued_is_the_same(
    of: Turn, chunks: list[Chunk], outcome: Outcome, cut: int
) -> None:
    """G14: a reader may look at any moment; looking neither disturbs the fold nor changes what was seen."""
    log = log_of(of, chunks, outcome)
    fold = ResponseFold.of(log[:cut])
    seen, at_the_time = fold.output(), repr(fold.output())
    for event in log[cut:]:
        fold.apply(event)
    assert fold.response() == final(log)
    assert fold.last_number == len(log) - 1
    assert repr(seen) == at_the_time


@law
@given(**any_turn)
def test_at_most_the_last_open_item_is_incomplete(of: Turn, chunks: list[Chunk], outcome: Outcome) -> None:
    """R11: every item has a final status; only what was being written when the turn broke off is incomplete."""
    assembled = assembly(of)
    assembled.feed(chunks)
    still_open = max(assembled.fold.open, default=None)
    cut_short = None if outcome.status is Status.COMPLETED else still_open
    output = assembled.end(outcome)[-1]["response"]["output"]
    assert [item["status"] for item in output] == [
        "incomplete" if index == cut_short else "completed" for index in range(len(output))
    ]


STREAMS: dict[str, tuple[list[Chunk], list[str]]] = {
    "text": (
        [Text("Hel"), Text("lo")],
        [
            "0 output_item.added",
            "0 content_part.added",
            "0 output_text.delta",
            "0 output_text.delta",
            "0 output_text.done",
            "0 content_part.done",
            "0 output_item.done",
        ],
    ),
    "reasoning is done before the answer begins": (
        [Reasoning("hm"), Text("Hello")],
        [
            "0 output_item.added",
            "0 content_part.added",
            "0 reasoning_text.delta",
            "0 reasoning_text.done",
            "0 content_part.done",
            "0 output_item.done",
            "1 output_item.added",
            "1 content_part.added",
            "1 output_text.delta",
            "1 output_text.done",
            "1 content_part.done",
            "1 output_item.done",
        ],
    ),
    "text and refusal are parts of one message": (
        [Text("Well, "), Refusal("no.")],
        [
            "0 output_item.added",
            "0 content_part.added",
            "0 output_text.delta",
            "0 output_text.done",
            "0 content_part.done",
            "0 content_part.added",
            "0 refusal.delta",
            "0 refusal.done",
            "0 content_part.done",
            "0 output_item.done",
        ],
    ),
    "a call": (
        [ToolCall(0, "call_a", "look_up"), ToolCall(0, arguments="{"), ToolCall(0, arguments="}")],
        [
            "0 output_item.added",
            "0 function_call_arguments.delta",
            "0 function_call_arguments.delta",
            "0 function_call_arguments.done",
            "0 output_item.done",
        ],
    ),
    "nothing said, nothing sent": ([Text(""), Reasoning(""), Finish("stop"), Usage(1, 0)], []),
}


@pytest.mark.parametrize(("said", "streamed"), STREAMS.values(), ids=STREAMS.keys())
def test_streams_as_clients_know_them(said: list[Chunk], streamed: list[str]) -> None:
    events = [event for event in log_of(turn(), said) if "response" not in event]
    assert [f"{event['output_index']} {event['type'].removeprefix('response.')}" for event in events] == streamed


@law
@given(of=turns, chunks=chunk_sequences)
def test_parallel_calls_keep_ids_of_their_own(of: Turn, chunks: list[Chunk]) -> None:
    """R10: no call_id is empty, none is given twice, whatever the upstream sent; the upstream's own is kept."""
    made = [item["call_id"] for item in final(log_of(of, chunks))["output"] if item["type"] in CALLS]
    assert all(made)
    assert max(Counter(made).values(), default=1) == 1
    first_given = next((chunk.call_id for chunk in chunks if isinstance(chunk, ToolCall)), None)
    assert not first_given or made[0] == first_given


def test_a_call_that_never_got_a_name_is_the_upstreams_fault() -> None:
    with pytest.raises(UpstreamError):
        assembly(turn()).feed([ToolCall(0, "call_a", None, "{}")])


def test_interleaved_parallel_calls_stay_apart() -> None:
    """R10: the pieces of two calls may come in turns, and their names only once."""
    pieces = [
        ToolCall(0, "call_a", "look_up", '{"q"'),
        ToolCall(1, "call_b", "weigh", "{"),
        ToolCall(0, arguments=":1}"),
        ToolCall(1, arguments="}"),
    ]
    output = final(log_of(turn(), pieces))["output"]
    assert [(c["call_id"], c["name"], c["arguments"], c["status"]) for c in output] == [
        ("call_a", "look_up", '{"q":1}', "completed"),
        ("call_b", "weigh", "{}", "completed"),
    ]


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ([Finish("stop")], "completed", None),
        ([Finish("tool_calls")], "completed", None),
        ([Finish("length")], "incomplete", "max_output_tokens"),
        ([Finish("content_filter")], "incomplete", "content_filter"),
    ],
)
def test_the_finish_reason_decides_the_outcome(finish: list[Chunk], status: str, reason: str | None) -> None:
    """R11: `incomplete` is really produced, with its reason, and only a completed turn has `completed_at`."""
    body = final(log_of(turn(), [Text("half a"), *finish]))
    assert body["status"] == status
    assert body["incomplete_details"] == (reason and {"reason": reason})
    assert body["completed_at"] == (int(ENDED_AT) if status == "completed" else None)
    assert body["output"][0]["status"] == status


def test_the_last_usage_stands() -> None:
    """R6: tokens as the upstream counted them."""
    body = final(log_of(turn(), [Usage(1, 1), Text("a"), Usage(5, 7, 2, 3)]))
    assert body["usage"] == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 12,
    }


@law
@given(of=turns, chunks=chunk_sequences)
def test_equal_chunks_make_equal_events(of: Turn, chunks: list[Chunk]) -> None:
    """Nothing but its arguments moves the assembly: no clock, no randomness."""
    assert log_of(of, chunks) == log_of(of, chunks)


def test_item_ids_are_asked_for_by_type() -> None:
    asked: list[str] = []
    numbers = itertools.count()

    def make(kind: str) -> str:
        asked.append(kind)
        return f"{kind}_{next(numbers)}"

    Assembly(lifecycle_events(turn()), make, lambda: "call_1").feed(
        [Reasoning("hm"), Text("a"), Refusal("no"), ToolCall(0, None, "look_up")]
    )
    assert asked == ["reasoning", "message", "function_call"]


def test_calls_come_back_as_calls_of_the_callers_own_tools() -> None:
    """Free text for a custom tool, its namespace for a namespaced one; what nobody offered is a plain function."""
    chunks = [
        ToolCall(0, "call_a", "shell", '{"input": "echo \\"hi'),
        ToolCall(1, "call_b", "crm__find", '{"id":'),
        ToolCall(0, arguments='\\"\\n"}'),
        ToolCall(1, arguments="7}"),
        ToolCall(2, "call_c", "unheard_of", "{}"),
    ]
    log = log_of(turn(request={"model": "stub", "tools": TOOLS}), chunks)
    done = {"status": "completed"}
    assert final(log)["output"] == [
        done
        | {
            "id": "custom_tool_call_0",
            "type": "custom_tool_call",
            "call_id": "call_a",
            "name": "shell",
            "input": 'echo "hi"\n',
        },
        done
        | {
            "id": "function_call_1",
            "type": "function_call",
            "call_id": "call_b",
            "namespace": "crm",
            "name": "find",
            "arguments": '{"id":7}',
        },
        done
        | {
            "id": "function_call_2",
            "type": "function_call",
            "call_id": "call_c",
            "name": "unheard_of",
            "arguments": "{}",
        },
    ]
    inputs = [event for event in log if event["type"].startswith("response.custom_tool_call_input.")]
    assert [event.get("delta", event.get("input")) for event in inputs] == ['echo "hi', '"\n', 'echo "hi"\n']


def test_reasoning_goes_out_sealed_as_well_when_it_is_to_be() -> None:
    """Each item with its own text, also the one that the end of the turn cuts short."""
    sealing = Assembly(lifecycle_events(turn()), lambda kind: kind, str, lambda text: f"sealed {text}")
    events = sealing.feed([Reasoning("a"), Reasoning("b"), Text("Hi"), Reasoning("c")])
    events += sealing.end(Outcome(Status.INCOMPLETE, ENDED_AT, incomplete_reason="max_output_tokens"))
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [item.get("encrypted_content") for item in done] == ["sealed ab", None, "sealed c"]
    assert final(events)["output"] == done
    added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    assert not any("encrypted_content" in item for item in added)
