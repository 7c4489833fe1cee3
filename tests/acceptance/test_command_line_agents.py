"""A command-line agent at work: it streams, stores nothing, offers all its tools, and sends everything back."""

from typing import Any

from openai import OpenAI

from tests.acceptance.turns import answer
from tests.scripted_upstream import ScriptedUpstream
from tests.upstream_steps import Think, ToolPiece

TOOLS: Any = [
    {"type": "function", "name": "shell", "description": "Runs.", "strict": False, "parameters": {"type": "object"}},
    {
        "type": "custom",
        "name": "apply_patch",
        "description": "Changes files.",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: BEGIN"},
    },
    {
        "type": "namespace",
        "name": "calendar",
        "description": "Dates.",
        "tools": [{"type": "function", "name": "list", "strict": False, "parameters": {"type": "object"}}],
    },
    {"type": "web_search", "external_web_access": False},
]
SETTINGS: Any = {
    "model": "m",
    "instructions": "You are an agent.",
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "session-1",
    "text": {"verbosity": "low"},
    "extra_body": {"client_metadata": {"installation": "x"}},
}
IGNORED = ["client_metadata", "reasoning.summary", "tools[3]:web_search"]


def streamed(client: OpenAI, history: list[Any]) -> Any:
    """The response of the last event."""
    with client.responses.create(input=history, **SETTINGS) as stream:
        *_, last = stream
    assert last.type == "response.completed"
    return last.response


def sent_back(item: Any) -> dict[str, Any]:
    """As agents keep an item: without status, reasoning without what only the server may read."""
    left_out = {"status"} | ({"content"} if item.type == "reasoning" else set())
    return {key: value for key, value in item.to_dict().items() if key not in left_out}


def test_an_agent_works_its_way_through_a_task(client: OpenAI, upstream: ScriptedUpstream, topic: str) -> None:
    patch = answer(
        Think("A file is missing."),
        "I will add it.",
        ToolPiece('{"input":"*** Begin\\n', id="call_p", name="apply_patch"),
        ToolPiece('+a\\n"}'),
        finish="tool_calls",
    )
    listing = answer(ToolPiece("{}", id="call_l", name="calendar__list"), finish="tool_calls")
    upstream.script(topic, patch, listing, answer("Done."))
    history: list[Any] = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": topic}]}]

    patched = streamed(client, history)
    assert [item.type for item in patched.output] == ["reasoning", "message", "custom_tool_call"]
    assert patched.output[2].input == "*** Begin\n+a\n"
    assert patched.turnstone["ignored"] == IGNORED
    history += [sent_back(item) for item in patched.output]
    history += [{"type": "custom_tool_call_output", "call_id": "call_p", "output": "ok"}]

    listed = streamed(client, history)
    (call,) = listed.output
    assert (call.namespace, call.name) == ("calendar", "list")
    history += [sent_back(call), {"type": "function_call_output", "call_id": "call_l", "output": "Monday"}]

    assert streamed(client, history).output_text == "Done."
    told = upstream.calls_with(topic)[2].body
    assert [message["role"] for message in told["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
    ]
    assert [tool["function"]["name"] for tool in told["tools"]] == ["shell", "apply_patch", "calendar__list"]
    assert (told["reasoning_effort"], told["prompt_cache_key"], told["parallel_tool_calls"]) == (
        "medium",
        "session-1",
        False,
    )
    assert told["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"input":"*** Begin\\n+a\\n"}'
    assert told["messages"][4]["tool_calls"][0]["function"]["name"] == "calendar__list"
