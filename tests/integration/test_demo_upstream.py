"""The demonstration upstream as a process: what newcomers talk to before they have a model server."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import openai
import pytest

from shared.core.chunks import Finish, Text, ToolCall, Usage
from shared.upstream.chat_completions import ChatCompletions
from shared.wire.items import Item
from tests.upstream_calls import Outcome, run, with_closing

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["C", "F"]},
                "days": {"type": "integer", "minimum": 2},
                "hours": {"type": ["array", "null"], "items": {"type": "number"}},
                "exact": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            },
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}


class Verbatim(ChatCompletions):
    """Sends a chat body as it is."""

    def body(self, request: Mapping[str, Any], items: Sequence[Item]) -> dict[str, Any]:
        return {**request, "stream": True, "stream_options": {"include_usage": True}}


class Demo:
    """A running demonstration server."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "shared.upstream.demo", "--port", str(self.port), *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self.wait_for_line("listening")

    def wait_for_line(self, word: str) -> str:
        """The next line of its log with this word; the end of the log fails."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if word in line:
                return line
        raise AssertionError(f"the demonstration ended without saying {word!r}")

    def client(self) -> Verbatim:
        return Verbatim(base_url=self.base_url, connect_seconds=5, first_byte_seconds=5, idle_seconds=5, attempts=1)

    def run(self, body: dict[str, Any]) -> Outcome:
        return run(self.client(), (body, []))

    def say(self, *texts: str, **more: Any) -> str:
        """What it answers to a conversation of alternating user and assistant messages."""
        roles = ["user", "assistant"]
        messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
        chunks = self.run({"model": "m", "messages": messages, **more}).chunks
        return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, _ = self.process.communicate(timeout=10)
        return self.process.returncode


def asking(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    demo = Demo("--delay-ms", "0")
    yield demo
    demo.stop()


def test_its_model_says_what_it_is(demo: Demo) -> None:
    upstream = demo.client()
    (model,) = with_closing(upstream, upstream.models())
    assert model["id"] == "turnstone-demo"
    assert "demonstration" in demo.say("Hello")


def test_memory_is_visible(demo: Demo) -> None:
    """R9: whoever tries a follow-up turn sees in the answer that the first one was not forgotten."""
    first, second = demo.say("My name is Ada"), demo.say("My name is Ada", "Hello", "Who am I?")
    assert "My name is Ada" in first
    assert "Nothing was said before" in first
    assert "Who am I?" in second
    assert "2 earlier messages" in second
    assert "My name is Ada" in second


def test_counting_makes_long_streams(demo: Demo) -> None:
    assert demo.say("Please count to 500.") == " ".join(str(number) for number in range(1, 501))


def test_usage_and_finish_reason(demo: Demo) -> None:
    assert demo.run(asking("count to 3")).chunks[-2:] == [Finish("stop"), Usage(3, 3)]


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_the_limit_is_kept(demo: Demo, limit: str) -> None:
    chunks = demo.run({**asking("count to 9"), limit: 2}).chunks
    assert chunks == [Text("1 "), Text("2 "), Finish("length"), Usage(3, 2)]


def test_a_function_is_called_with_fitting_arguments(demo: Demo) -> None:
    chunks = demo.run({**asking("Weather?"), "tools": [WEATHER, CLOCK]}).chunks
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolCall)]
    assert calls[0].name == "weather"
    assert calls[0].call_id
    assert len(calls) > 2, "arguments come in pieces"
    arguments = json.loads("".join(call.arguments for call in calls))
    assert arguments == {"city": "demo", "unit": "C", "days": 2, "hours": [1], "exact": True}
    assert Finish("tool_calls") in chunks


@pytest.mark.parametrize(
    ("choice", "called"),
    [("auto", "weather"), ("required", "weather"), ("none", None), ({"function": {"name": "clock"}}, "clock")],
)
def test_the_tool_choice_is_honoured(demo: Demo, choice: Any, called: str | None) -> None:
    chunks = demo.run({**asking("Weather?"), "tools": [WEATHER, CLOCK], "tool_choice": choice}).chunks
    assert next((chunk.name for chunk in chunks if isinstance(chunk, ToolCall)), None) == called


def test_it_answers_with_the_tools_output(demo: Demo) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "half past nine"},
    ]
    chunks = demo.run({"model": "m", "messages": messages, "tools": [CLOCK]}).chunks
    assert "half past nine" in "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))
    assert Finish("stop") in chunks


def test_the_openai_sdk_understands_it(demo: Demo) -> None:
    with openai.OpenAI(base_url=demo.base_url, api_key="none", max_retries=0) as sdk:
        parts: Any = [{"type": "text", "text": "count to 3"}]
        embedded = sdk.embeddings.create(model="m", input=["a word", "another", "a word"])
        assert embedded.data[0].embedding == embedded.data[2].embedding != embedded.data[1].embedding
        whole = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": parts}])
        assert whole.choices[0].message.content == "1 2 3"
        assert whole.usage is not None
        stream = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": parts}], stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "1 2 3"
        tools: Any = [WEATHER]
        called = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}], tools=tools)
        assert called.choices[0].message.tool_calls is not None


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"model":"m"}',
        b'{"model":"m","messages":[]}',
        b'{"model":"m","messages":[5]}',
        b'{"model":"m","messages":[{"role":"user"}],"tools":5}',
        b'{"model":"m","messages":[{"role":"user"}],"tools":[{"type":"function"}]}',
        b'{"model":"m","messages":[{"role":"user"}],"max_tokens":"5"}',
        b'{"model":"m","messages":[{"role":"user"}],"max_tokens":0}',
    ],
)
def test_bad_bodies_get_openais_envelope(demo: Demo, body: bytes) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused, demo_post(demo, body):
        pass
    with refused.value as answer:
        assert answer.code == 400
        assert set(json.loads(answer.read())["error"]) == {"message", "type", "param", "code"}


def demo_post(demo: Demo, body: bytes) -> Any:
    return urllib.request.urlopen(f"{demo.base_url}/chat/completions", data=body, timeout=5)


def test_it_stops_when_the_client_leaves() -> None:
    """Q3: a cancelled turn is seen to stop; here with nine tenths of a long answer unsaid."""
    demo = Demo("--delay-ms", "10")
    upstream = demo.client()

    async def leave_early() -> None:
        async with aclosing(upstream.stream(asking("count to 500"), [])) as batches:
            assert await anext(batches)

    with_closing(upstream, leave_early())
    stopped = re.search(r"stopped after (\d+) events", demo.wait_for_line("the client left"))
    assert stopped is not None
    assert int(stopped[1]) < 50
    assert demo.stop() == 0


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_in_the_middle_of_an_answer(ending: signal.Signals) -> None:
    demo = Demo("--delay-ms", "50")
    upstream = demo.client()

    async def end_under_way() -> None:
        async with aclosing(upstream.stream(asking("count to 10000"), [])) as batches:
            assert await anext(batches)
            demo.process.send_signal(ending)

    with_closing(upstream, end_under_way())
    _, log = demo.process.communicate(timeout=10)
    assert demo.process.returncode == 0
    assert "Traceback" not in log
