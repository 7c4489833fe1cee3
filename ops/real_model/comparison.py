"""The same turns asked of the model server directly and through Turnstone: tokens, usage and finish reasons agree."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

PROMPT = "count to 200"
LIMITS = (16, 96)
"""Longest answers in tokens: the first cuts the answer, the second lets the model come to its end."""


@dataclass(frozen=True)
class Answer:
    """What one side said. `finish` is in the words of Chat Completions."""

    text: str
    finish: str
    input_tokens: int
    output_tokens: int

    def __str__(self) -> str:
        start = json.dumps(self.text[:40])  # escaped: such a model writes control characters as well
        return (
            f"{self.input_tokens} + {self.output_tokens} tokens, {self.finish}: {start} ({len(self.text)} characters)"
        )


def compare(server: str, turnstone: str, model: str) -> None:
    """Print both answers for each limit; raises RuntimeError when they differ. Both addresses include `/v1`."""
    for limit in LIMITS:
        direct = ask_server(server, model, limit)
        ours = ask_turnstone(turnstone, model, limit)
        print(f"at most {limit} tokens\n  server    {direct}\n  turnstone {ours}", flush=True)
        if direct != ours:
            raise RuntimeError("the two answers differ")


def ask_server(base_url: str, model: str, limit: int) -> Answer:
    """One greedy answer of the model server, unstreamed."""
    messages = [{"role": "user", "content": PROMPT}]
    body = {"model": model, "temperature": 0, "max_tokens": limit, "messages": messages}
    answer = _post(f"{base_url}/chat/completions", body)
    choice, usage = answer["choices"][0], answer["usage"]
    return Answer(
        choice["message"]["content"], choice["finish_reason"], usage["prompt_tokens"], usage["completion_tokens"]
    )


def ask_turnstone(base_url: str, model: str, limit: int) -> Answer:
    """The same as a foreground response, which Turnstone asks for as a stream."""
    body = {"model": model, "temperature": 0, "max_output_tokens": limit, "input": PROMPT}
    response = _post(f"{base_url}/responses", body)
    text = "".join(part["text"] for item in response["output"] for part in item["content"])
    finish = {"completed": "stop", "incomplete": "length"}.get(response["status"], response["status"])
    usage = response["usage"]
    return Answer(text, finish, usage["input_tokens"], usage["output_tokens"])


def models_answer(base_url: str) -> str:
    """What `GET /models` says, in one line, an error included."""
    try:
        with urllib.request.urlopen(f"{base_url}/models", timeout=30) as answer:
            return f"HTTP {answer.status} {_brief(answer.read())}"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code} {_brief(error.read())}"


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return dict(json.load(answer))


def _brief(body: bytes) -> str:
    text = body.decode(errors="replace")
    return text if len(text) <= 100 else f"{text[:100]}…"
