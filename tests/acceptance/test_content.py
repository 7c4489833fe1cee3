"""What goes into a turn beside text, and the forms in which its answer can be asked for."""

import json
from typing import Any

import httpx2
import pytest
from openai import BadRequestError, OpenAI
from openai.types.responses import ResponseReasoningItem
from pydantic import BaseModel

from tests.acceptance.turns import answer
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_steps import Raw, Think

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
FILE = "data:application/pdf;base64,JVBERi0="


class Weather(BaseModel):
    sky: str
    degrees: int


def test_an_answer_is_parsed_into_the_callers_own_type(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer('{"sky": "grey",', ' "degrees": 7}'))
    response = client.responses.parse(model="m", input=topic, text_format=Weather, text={"verbosity": "low"})
    assert response.output_parsed == Weather(sky="grey", degrees=7)
    (call,) = upstream.calls_with(topic)
    form = call.body["response_format"]
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == (
        "json_schema",
        "Weather",
        True,
    )
    assert form["json_schema"]["schema"]["required"] == ["sky", "degrees"]
    assert call.body["verbosity"] == "low"


def test_any_json_object_may_be_asked_for(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer("{}"))
    client.responses.create(model="m", input=topic, text={"format": {"type": "json_object"}})
    assert upstream.calls_with(topic)[0].body["response_format"] == {"type": "json_object"}


def test_images_and_files_reach_the_model(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer("A pixel."))
    content: Any = [
        {"type": "input_text", "text": topic},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        {"type": "input_image", "image_url": "https://pictures.example/a.png", "detail": "original"},
        {"type": "input_file", "filename": "a.pdf", "file_data": FILE},
    ]
    response = client.responses.create(model="m", input=[{"role": "user", "content": content}])
    (message,) = upstream.calls_with(topic)[0].body["messages"]
    assert message["content"] == [
        {"type": "text", "text": topic},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png", "detail": "high"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": FILE}},
    ]
    (item,) = client.responses.input_items.list(response.id, include=["message.input_image.image_url"])
    assert item.to_dict()["content"] == content


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_image", "file_id": "file_1", "detail": "auto"}, "input[1].content[0].file_id"),
        ({"type": "input_file", "file_id": "file_1"}, "input[1].content[0].file_id"),
        ({"type": "input_file", "file_url": "https://files.example/a.pdf"}, "input[1].content[0].file_url"),
        ({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}, "input[1].content[0].type"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_its_place(client: OpenAI, part: Any, param: str) -> None:
    said: Any = [{"role": "user", "content": "Look:"}, {"role": "user", "content": [part]}]
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input=said)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", param)
    assert param in refused.value.message


def test_reasoning_that_is_not_stored_goes_round_sealed(
    client: OpenAI, other: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    """As command-line agents work: store nothing, send everything back, at whichever process."""
    upstream.script(topic, answer(Think("It is "), Think("November."), "Rain."), answer("Still rain."))
    asked: Any = {"model": "m", "store": False, "include": ["reasoning.encrypted_content"]}
    asked["reasoning"] = {"effort": "high", "summary": "auto"}
    with client.responses.stream(input=topic, **asked) as stream:
        events = list(stream)
        first = stream.get_final_response()
    assert [event.delta for event in events if event.type == "response.reasoning_text.delta"] == ["It is ", "November."]
    thought, said = first.output
    assert isinstance(thought, ResponseReasoningItem)
    assert thought.encrypted_content
    assert "November" not in thought.encrypted_content
    assert upstream.calls_with(topic)[0].body["reasoning_effort"] == "high"

    kept: Any = {"type": "reasoning", "id": thought.id, "summary": [], "encrypted_content": thought.encrypted_content}
    history: Any = [kept, said.to_dict(), {"role": "user", "content": topic}]
    assert other.responses.create(input=history, **asked).output_text == "Still rain."

    with pytest.raises(BadRequestError) as refused:
        client.responses.create(input=[kept | {"encrypted_content": "gAAAAfromelsewhere"}, *history[1:]], **asked)
    assert (refused.value.code, refused.value.param) == ("invalid_encrypted_content", "input[0].encrypted_content")


def test_opened_reasoning_is_stored_with_its_text(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer(Think("November."), "Rain."), answer("Still rain."))
    first = client.responses.create(model="m", input=topic, store=False, include=["reasoning.encrypted_content"])
    thought = first.output[0].to_dict()
    del thought["content"]
    again: Any = [thought, {"role": "user", "content": topic}]
    stored = client.responses.create(model="m", input=again)
    (listed, _) = client.responses.input_items.list(stored.id, order="asc")
    assert listed.to_dict()["content"] == [{"type": "reasoning_text", "text": "November."}]


def test_logprobs_come_with_the_text(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    likely = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}
    choice = {"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [likely | {"top_logprobs": [likely]}]}}
    upstream.script(topic, answer(Raw(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")))
    include: Any = ["message.output_text.logprobs"]
    with client.responses.stream(model="m", input=topic, include=include, top_logprobs=1) as stream:
        (delta,) = [event for event in stream if event.type == "response.output_text.delta"]
        response: Any = stream.get_final_response()
    assert delta.logprobs[0].token == "Hi"
    assert response.output[0].content[0].to_dict()["logprobs"] == [likely | {"top_logprobs": [likely]}]
    (call,) = upstream.calls_with(topic)
    assert (call.body["logprobs"], call.body["top_logprobs"]) == (True, 1)


def test_the_phase_of_a_message_is_kept(client: OpenAI, topic: str) -> None:
    said: Any = [
        {"role": "assistant", "content": "Let me look.", "phase": "commentary"},
        {"role": "user", "content": topic},
    ]
    response = client.responses.create(model="m", input=said)
    first = next(iter(client.responses.input_items.list(response.id, order="asc")))
    assert first.to_dict()["phase"] == "commentary"


@pytest.mark.parametrize("spelling", ["include", "include[]"])
def test_include_is_read_in_both_spellings(http: httpx2.Client, client: OpenAI, topic: str, spelling: str) -> None:
    response = client.responses.create(model="m", input=topic)
    conversation = client.conversations.create(items=[{"type": "message", "role": "user", "content": topic}])
    paths = [
        f"/responses/{response.id}",
        f"/responses/{response.id}/input_items",
        f"/conversations/{conversation.id}/items",
    ]
    for path in paths:
        known = http.get(path, params={spelling: ["message.output_text.logprobs", "file_search_call.results"]})
        assert known.status_code == 200
        assert known.json() == http.get(path).json()
        unknown = http.get(path, params={spelling: ["message.output_text.logprobs", "everything"]})
        assert unknown.status_code == 400
        assert unknown.json()["error"]["param"] == spelling
