"""The caller's own tools, whatever their kind, over a model server that knows functions only."""

from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types.responses import ResponseCustomToolCall, ResponseFunctionToolCall

from tests.acceptance.turns import answer
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_steps import ToolPiece

PATCH: Any = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Changes files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: WORD"},
}
FIND: Any = {"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": True}
CRM: Any = {"type": "namespace", "name": "crm", "description": "Customers.", "tools": [FIND, PATCH]}
WRITTEN = ('{"input": "*** Begin', ' \\"a\\"\\n', "\\ud83e", '\\udd9c"}')
TEXT = '*** Begin "a"\n🦜'


def call_by(name: str) -> list[Any]:
    first, *rest = WRITTEN
    return answer(ToolPiece(first, id="call_p", name=name), *(ToolPiece(piece) for piece in rest), finish="tool_calls")


def test_a_custom_tool_goes_round_streamed_and_stored(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """The model writes JSON; the caller gets text, answers it, and the model sees its own call again."""
    upstream.script(topic, call_by("apply_patch"), answer("Done."))
    choice: Any = {"type": "custom", "name": "apply_patch"}
    with client.responses.stream(model="m", input=topic, tools=[PATCH], tool_choice=choice) as stream:
        events = list(stream)
        called = stream.get_final_response()
    deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
    assert deltas == ["*** Begin", ' "a"\n', "🦜"]
    assert [event.input for event in events if event.type == "response.custom_tool_call_input.done"] == [TEXT]
    (call,) = called.output
    assert isinstance(call, ResponseCustomToolCall)
    assert (call.name, call.input, call.call_id) == ("apply_patch", TEXT, "call_p")
    assert client.responses.retrieve(called.id).output == [call]

    told = upstream.calls_with(topic)[0].body
    assert told["tool_choice"] == {"type": "function", "function": {"name": "apply_patch"}}
    assert "start: WORD" in told["tools"][0]["function"]["description"]

    output: Any = {"type": "custom_tool_call_output", "call_id": "call_p", "output": "patched"}
    answered = client.responses.create(model="m", previous_response_id=called.id, input=[output], tools=[PATCH])
    assert answered.output_text == "Done."
    asked, given = upstream.calls_with(topic)[1].body["messages"][-2:]
    assert asked["tool_calls"][0]["function"]["name"] == "apply_patch"
    assert given == {"role": "tool", "tool_call_id": "call_p", "content": "patched"}


def test_a_call_in_a_namespace_comes_back_with_it(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    """Stateless, as command-line agents work: they send the call back themselves."""
    upstream.script(
        topic, answer(ToolPiece('{"id": 7}', id="call_f", name="crm__find"), finish="tool_calls"), answer("Ann")
    )
    called = client.responses.create(model="m", input=topic, tools=[CRM], store=False)
    (call,) = called.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.namespace, call.name, call.arguments) == ("crm", "find", '{"id": 7}')
    told = upstream.calls_with(topic)[0].body["tools"]
    assert [tool["function"]["name"] for tool in told] == ["crm__find", "crm__apply_patch"]
    assert called.tools == client.responses.create(model="m", input="x", tools=[CRM]).tools

    history: Any = [
        {"role": "user", "content": topic},
        call.to_dict(),
        {"type": "function_call_output", "call_id": "call_f", "output": "Ann"},
    ]
    assert client.responses.create(model="m", input=history, tools=[CRM], store=False).output_text == "Ann"
    asked = upstream.calls_with(topic)[1].body["messages"][1]
    assert asked["tool_calls"][0]["function"] == {"name": "crm__find", "arguments": '{"id": 7}'}


def test_only_the_allowed_tools_are_told(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    upstream.script(topic, answer("No tool needed."))
    allowed: Any = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "apply_patch"}]}
    client.responses.create(
        model="m", input=topic, tools=[FIND, PATCH], tool_choice=allowed, parallel_tool_calls=False, max_tool_calls=3
    )
    (call,) = upstream.calls_with(topic)
    assert [tool["function"]["name"] for tool in call.body["tools"]] == ["apply_patch"]
    assert (call.body["tool_choice"], call.body["parallel_tool_calls"]) == ("required", False)


def test_hosted_tools_are_left_out_and_named_unless_they_are_demanded(
    client: OpenAI, upstream: ScriptedUpstream, topic: str
) -> None:
    upstream.script(topic, answer("Hello."))
    hosted: Any = [{"type": "web_search"}, FIND, {"type": "image_generation"}]
    response: Any = client.responses.create(model="m", input=topic, tools=hosted)
    assert response.turnstone["ignored"] == ["tools[0]:web_search", "tools[2]:image_generation"]
    assert [tool["function"]["name"] for tool in upstream.calls_with(topic)[0].body["tools"]] == ["find"]
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="m", input=topic, tools=hosted, tool_choice={"type": "image_generation"})
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "tool_choice")
