"""What a model can say besides text: reasoning, refusals, tool calls, answers cut short. As streamed and as stored."""

from typing import Any

import pytest
from openai import OpenAI

from tests.acceptance.turns import answer
from tests.raw_http import RawStream
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.stream_rules import check_stream
from tests.upstream_steps import Done, Finish, Raw, Say, Step, Think, Tokens, ToolPiece

Event = dict[str, Any]

WEATHER_TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": None}


class Turn:
    """A streamed turn: its events, and its stored Response."""

    def __init__(self, stack: Stack, client: OpenAI, topic: str, **fields: Any) -> None:
        body = {"model": "m", "input": topic, "stream": True, "background": True} | fields
        with RawStream.post(stack.url(), "/responses", body) as stream:
            self.events = list(stream.events())
        check_stream(self.events)
        self.id = self.events[0]["response"]["id"]
        self.stored: dict[str, Any] = client.responses.retrieve(self.id).to_dict(mode="json")
        assert self.stored == self.events[-1]["response"]

    def of_type(self, *names: str) -> list[Event]:
        return [event for event in self.events if event["type"].removeprefix("response.") in names]


@pytest.fixture
def ask(stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str) -> Any:
    """Run a turn that the model answers with these steps."""

    def turn(*steps: Step | str, finish: str = "stop", **fields: Any) -> Turn:
        upstream.script(topic, answer(*steps, finish=finish))
        return Turn(stack, client, topic, **fields)

    return turn


def test_reasoning_is_an_item_before_the_message(ask: Any) -> None:
    turn = ask(Think("Hmm, "), Think("well."), Say("Yes."))
    reasoning, message = turn.stored["output"]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Hmm, well."}]
    assert reasoning["summary"] == []
    assert message["content"][0]["text"] == "Yes."
    assert [event["delta"] for event in turn.of_type("reasoning_text.delta")] == ["Hmm, ", "well."]
    assert [event["text"] for event in turn.of_type("reasoning_text.done")] == ["Hmm, well."]


def test_a_refusal_is_a_part_of_its_own_kind(ask: Any) -> None:
    refusal = b'data: {"choices": [{"index": 0, "delta": {"refusal": "I will not."}, "finish_reason": null}]}\n\n'
    turn = ask(Raw(refusal))
    assert turn.stored["output"][0]["content"] == [{"type": "refusal", "refusal": "I will not."}]
    assert [event["delta"] for event in turn.of_type("refusal.delta")] == ["I will not."]
    assert turn.stored["status"] == "completed"


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_cut_short_is_incomplete_and_keeps_what_was_said(ask: Any, finish: str, reason: str) -> None:
    """R11: `incomplete` is really produced."""
    turn = ask("The beg", finish=finish)
    assert turn.events[-1]["type"] == "response.incomplete"
    assert turn.stored["status"] == "incomplete"
    assert turn.stored["incomplete_details"] == {"reason": reason}
    assert turn.stored["error"] is None
    assert turn.stored["completed_at"] is None
    assert turn.stored["output"][0]["status"] == "incomplete"
    assert turn.stored["output"][0]["content"][0]["text"] == "The beg"
    assert turn.stored["usage"]["total_tokens"] == 12


def test_an_empty_answer_completes_with_no_output(ask: Any) -> None:
    turn = ask()
    assert turn.stored["status"] == "completed"
    assert turn.stored["output"] == []


def test_a_tool_call_streams_as_published(ask: Any) -> None:
    pieces = ToolPiece(id="call_1", name="get_weather"), ToolPiece('{"location":'), ToolPiece(' "SF"}')
    turn = ask(*pieces, finish="tool_calls", tools=[WEATHER_TOOL])
    kinds = [event["type"].removeprefix("response.") for event in turn.events[3:]]
    arguments = "function_call_arguments"
    assert kinds == [
        "output_item.added",
        f"{arguments}.delta",
        f"{arguments}.delta",
        f"{arguments}.done",
        "output_item.done",
        "completed",
    ]
    added = turn.of_type("output_item.added")[0]["item"]
    assert (added["status"], added["call_id"], added["name"], added["arguments"]) == (
        "in_progress",
        "call_1",
        "get_weather",
        "",
    )
    assert turn.of_type(f"{arguments}.done")[0]["arguments"] == '{"location": "SF"}'
    assert turn.of_type(f"{arguments}.done")[0]["name"] == "get_weather"
    (call,) = turn.stored["output"]
    assert call == added | {"arguments": '{"location": "SF"}', "status": "completed"}


def test_parallel_calls_keep_apart_however_their_pieces_come(ask: Any) -> None:
    """R10: arguments of several calls written in turns."""
    turn = ask(
        Say("Let me look. "),
        ToolPiece(index=0, id="call_a", name="get_weather"),
        ToolPiece(index=1, id="call_b", name="get_weather"),
        ToolPiece('{"city": ', index=0),
        ToolPiece('{"city": ', index=1),
        ToolPiece('"B"}', index=1),
        ToolPiece('"A"}', index=0),
        finish="tool_calls",
        tools=[WEATHER_TOOL],
    )
    message, first, second = turn.stored["output"]
    assert message["content"][0]["text"] == "Let me look. "
    assert (first["call_id"], first["arguments"]) == ("call_a", '{"city": "A"}')
    assert (second["call_id"], second["arguments"]) == ("call_b", '{"city": "B"}')


def test_a_call_without_an_id_gets_one_of_ours(ask: Any) -> None:
    """R10: `call_id` is never empty."""
    turn = ask(ToolPiece("{}", name="get_weather"), finish="tool_calls", tools=[WEATHER_TOOL])
    assert turn.stored["output"][0]["call_id"].startswith("call_")


def test_tool_outputs_reach_the_model_beside_their_calls_also_out_of_order(
    ask: Any, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """R10: the round trip of parallel calls."""
    calls = [ToolPiece("{}", index=number, id=f"call_{number}", name="get_weather") for number in range(3)]
    turn = ask(*calls, finish="tool_calls", tools=[WEATHER_TOOL])
    outputs = [
        {"type": "function_call_output", "call_id": f"call_{number}", "output": f"out {number}"} for number in (2, 0, 1)
    ]
    upstream.script(topic, answer("Mild."))
    followed = client.responses.create(model="m", input=outputs, previous_response_id=turn.id)
    assert followed.output_text == "Mild."
    messages = upstream.calls_with(topic)[-1].body["messages"]
    assert messages[0] == {"role": "user", "content": topic}
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["call_0", "call_1", "call_2"]
    assert [(m["role"], m["tool_call_id"], m["content"]) for m in messages[2:]] == [
        ("tool", f"call_{number}", f"out {number}") for number in range(3)
    ]


def test_usage_counts_cached_and_reasoning_tokens(ask: Any, upstream: ScriptedUpstream, topic: str) -> None:
    usage = (
        b'data: {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,'
        b' "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3}}}\n\n'
    )
    turn = ask("x", Finish("stop"), Raw(usage), Done())
    assert turn.stored["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
    }


def test_the_model_gets_what_was_asked_for(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """R7: model, instructions and options are really forwarded."""
    client.responses.create(
        model="some/model:1", input=topic, instructions="Be brief.", temperature=0.5, top_p=0.25, max_output_tokens=64
    )
    body = upstream.calls_with(topic)[0].body
    assert body["model"] == "some/model:1"
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": topic}]
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.5, 0.25, 64)


def test_usage_is_null_when_the_model_server_gives_none(
    stack: Stack, client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, [Say("x"), Finish("stop"), Done()])
    assert Turn(stack, client, topic).stored["usage"] is None
    upstream.script(topic, [Say("x"), Finish("stop"), Tokens(1, 2)])
    assert Turn(stack, client, topic).stored["usage"]["total_tokens"] == 3
