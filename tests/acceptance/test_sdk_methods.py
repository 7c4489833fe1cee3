"""The rest of the official SDK: the stream helper, retrieving streams, parsing, paging, cancelling, deleting."""

import pytest
from openai import APIError, BadRequestError, NotFoundError, OpenAI, pydantic_function_tool
from openai.types.responses import ResponseFunctionToolCall
from pydantic import BaseModel

from tests.acceptance.turns import answer, ended, script_gated
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_steps import ToolPiece


class Place(BaseModel):
    city: str
    inhabitants: int


class Weather(BaseModel):
    """What a model may ask a weather function."""

    city: str


def test_the_stream_helper_accumulates_to_the_stored_response(client: OpenAI, topic: str) -> None:
    """G16: its own snapshot of the events, the terminal event's object and the polled one are equal."""
    with client.responses.stream(model="m", input=f"one two three {topic}") as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert snapshots[-1] == f"one two three {topic}" == final.output_text
    stored = client.responses.retrieve(final.id)
    assert stored.to_dict(mode="json") == final.to_dict(mode="json", exclude_unset=True) | {
        "output": [without_parsed(item.to_dict(mode="json")) for item in final.output]
    }


def test_the_stream_helper_comes_back_to_a_background_response_by_id(
    client: OpenAI, other: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """The helper asks for the whole stream again and drops what it has seen by itself."""
    script_gated(upstream, topic)
    with client.responses.stream(model="m", input=topic, background=True) as stream:
        created = next(iter(stream))
        seen = next(event for event in stream if event.type == "response.output_text.delta")
    upstream.open(topic)
    with other.responses.stream(response_id=created.response.id, starting_after=seen.sequence_number) as resumed:
        rest = [event.sequence_number for event in resumed]
        assert resumed.get_final_response().output_text == "First. Last."
    assert rest == list(range(seen.sequence_number + 1, rest[-1] + 1))


def test_retrieve_streams_the_rest_after_a_number(client: OpenAI, other: OpenAI, topic: str) -> None:
    """S2, G14."""
    with client.responses.create(model="m", input=f"a b c {topic}", background=True, stream=True) as stream:
        events = list(stream)
    after = len(events) // 2
    with other.responses.retrieve(events[0].response.id, stream=True, starting_after=after) as stream:
        assert list(stream) == events[after + 1 :]


def test_parse_gives_an_object_of_the_wanted_form(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer('{"city": "Trier", ', '"inhabitants": 112000}'))
    parsed = client.responses.parse(model="m", input=topic, text_format=Place)
    assert parsed.output_parsed == Place(city="Trier", inhabitants=112000)
    wanted = upstream.calls_with(topic)[0].body["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["schema"]["properties"].keys() == {"city", "inhabitants"}


def test_the_stream_helper_parses_the_wanted_form(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer('{"city": "Trier", ', '"inhabitants": 112000}'))
    with client.responses.stream(model="m", input=topic, text_format=Place) as stream:
        done = [event.parsed for event in stream if event.type == "response.output_text.done"]
        final = stream.get_final_response()
    assert done == [final.output_parsed] == [Place(city="Trier", inhabitants=112000)]


def test_the_stream_helper_parses_function_arguments(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    pieces = (ToolPiece(id="call_1", name="Weather"), ToolPiece('{"city":'), ToolPiece(' "Rome"}'))
    upstream.script(topic, answer(*pieces, finish="tool_calls"))
    tools = [pydantic_function_tool(Weather)["function"] | {"type": "function"}]
    with client.responses.stream(model="m", input=topic, tools=tools) as stream:
        (call,) = stream.get_final_response().output
    assert isinstance(call, ResponseFunctionToolCall)
    assert call.arguments == '{"city": "Rome"}'


def test_input_items_page_through_all_by_themselves(client: OpenAI, topic: str) -> None:
    """C3: keyset pages, newest first unless asked otherwise."""
    texts = [f"{number} {topic}" for number in range(45)]
    turn = client.responses.create(model="m", input=[{"role": "user", "content": text} for text in texts])
    pages = client.responses.input_items.list(turn.id, limit=20, order="asc")
    assert [item.content[0].text for item in pages] == texts
    newest_first = client.responses.input_items.list(turn.id)
    assert len(newest_first.data) == 20
    assert [item.content[0].text for item in newest_first] == texts[::-1]


def test_cancel_returns_the_cancelled_response(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    script_gated(upstream, topic)
    turn = client.responses.create(model="m", input=topic, background=True)
    upstream.wait_at(topic)
    assert client.responses.cancel(turn.id).status == "cancelled"
    assert ended(client, turn.id).status == "cancelled"


def test_delete_returns_nothing_and_then_there_is_nothing(client: OpenAI, topic: str) -> None:
    turn = client.responses.create(model="m", input=topic)
    client.responses.delete(turn.id)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(turn.id)


def test_models_are_the_upstreams(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["scripted"]


def test_raw_and_streaming_answers_give_headers_and_lines(client: OpenAI, topic: str) -> None:
    raw = client.responses.with_raw_response.create(model="m", input=topic)
    assert raw.headers["x-request-id"] == raw.request_id
    assert raw.parse().output_text == topic
    with client.responses.with_streaming_response.create(model="m", input=topic, stream=True) as streaming:
        lines = [line for line in streaming.iter_lines() if line]
    assert lines[0] == "event: response.created"
    assert lines[-1] == "data: [DONE]"


def test_errors_are_the_sdks_own_and_carry_the_request_id(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.responses.create(input="no model")  # type: ignore[call-overload]
    assert caught.value.param == "model"
    assert caught.value.request_id.startswith("req_")
    assert isinstance(caught.value, APIError)


def without_parsed(item: dict[str, object]) -> dict[str, object]:
    """An output item without what the stream helper adds."""
    parts = item.get("content") or []
    assert isinstance(parts, list)
    return item | {"content": [{key: value for key, value in part.items() if key != "parsed"} for part in parts]}
