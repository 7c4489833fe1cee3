"""A demonstration upstream: a real Chat Completions server without a model behind it.

Run it with `python -m shared.upstream.demo --port 8001`.
"""

import argparse
import asyncio
import logging
from collections.abc import Iterator
from typing import Any, Final

import orjson
from aiohttp import web

from shared import clock, ids
from shared.upstream.demo_answer import Answer, JsonObject, answer_to, embedding_of, word_count

MODEL: Final = "turnstone-demo"
GOODBYE_SECONDS: Final = 0.5
LONGEST_BODY_BYTES: Final = 64 * 1024 * 1024
DELAY_SECONDS: Final = web.AppKey("delay_seconds", float)

log = logging.getLogger("turnstone.demo")


def create_app(delay_seconds: float = 0.0) -> web.Application:
    """The server, which takes `delay_seconds` over every streamed event."""
    app = web.Application(client_max_size=LONGEST_BODY_BYTES)
    app[DELAY_SECONDS] = delay_seconds
    app.router.add_get("/v1/models", _list_models)
    app.router.add_post("/v1/chat/completions", _complete)
    app.router.add_post("/v1/embeddings", _embed)
    return app


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Turnstone's demonstration upstream: no model, fixed rules.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay-ms", type=float, default=25.0, help="time taken over each streamed word")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    web.run_app(
        create_app(given.delay_ms / 1000),
        host=given.host,
        port=given.port,
        handler_cancellation=True,  # a client that leaves stops the answer
        shutdown_timeout=GOODBYE_SECONDS,
        access_log=None,
        print=lambda _: log.info("listening on %s port %d: a demonstration, not a model", given.host, given.port),
    )


async def _list_models(_request: web.Request) -> web.Response:
    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "turnstone-demonstration"}
    return _json({"object": "list", "data": [model]})


async def _embed(request: web.Request) -> web.Response:
    body = await _read(request)
    texts = body.get("input") if isinstance(body, dict) else None
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        return _refusal("Invalid or missing 'input'.", "input")
    data = [
        {"object": "embedding", "index": index, "embedding": embedding_of(text)} for index, text in enumerate(texts)
    ]
    read = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": read, "total_tokens": read}
    return _json({"object": "list", "model": MODEL, "data": data, "usage": usage})


async def _complete(request: web.Request) -> web.StreamResponse:
    body = await _read(request)
    wrong = _fault_in(body)
    if wrong is not None:
        return _refusal(f"Invalid or missing '{wrong}'.", wrong)
    answer = answer_to(body)
    if body.get("stream"):
        return await _stream(request, body, answer)
    choice = {"index": 0, "message": _message(answer), "logprobs": None, "finish_reason": answer.finish_reason}
    return _json({**_head("chat.completion"), "choices": [choice], "usage": _usage(body, answer)})


async def _read(request: web.Request) -> Any:
    """The body; None, which no route takes, if it is no JSON."""
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return None


async def _stream(request: web.Request, body: JsonObject, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    sent = 0
    try:
        for event in _events(body, answer):
            await response.write(event)
            sent += 1
            await asyncio.sleep(request.app[DELAY_SECONDS])
    except (asyncio.CancelledError, ConnectionResetError):
        log.info("stopped after %d events: the client left", sent)
        raise
    return response


def _events(body: JsonObject, answer: Answer) -> Iterator[bytes]:
    head = _head("chat.completion.chunk")
    for delta in _deltas(answer):
        yield _event({**head, "choices": [_choice(delta)]})
    yield _event({**head, "choices": [_choice({}, answer.finish_reason)]})
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield _event({**head, "choices": [], "usage": _usage(body, answer)})
    yield b"data: [DONE]\n\n"


def _deltas(answer: Answer) -> Iterator[JsonObject]:
    yield {"role": "assistant", "content": None if answer.call else ""}
    for word in answer.words:
        yield {"content": word}
    if answer.call:
        begun = {"index": 0, "id": ids.new_call_id(), "type": "function"}
        yield {"tool_calls": [{**begun, "function": {"name": answer.call.name, "arguments": ""}}]}
        for start in range(0, len(answer.call.arguments), 8):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": answer.call.arguments[start : start + 8]}}]}


def _message(answer: Answer) -> JsonObject:
    if answer.call is None:
        return {"role": "assistant", "content": "".join(answer.words), "refusal": None}
    call = {"id": ids.new_call_id(), "type": "function", "function": answer.call._asdict()}
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}


def _usage(body: JsonObject, answer: Answer) -> JsonObject:
    said = len(answer.words) + (len(answer.call.arguments.split()) if answer.call else 0)
    read = word_count(body["messages"])
    return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}


def _fault_in(body: Any) -> str | None:
    """The first field the demonstration cannot do without, or cannot read."""
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return "model"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(_is_message(message) for message in messages):
        return "messages"
    tools = body.get("tools") or []
    if not isinstance(tools, list) or not all(_is_tool(tool) for tool in tools):
        return "tools"
    for name in ("max_tokens", "max_completion_tokens"):
        if body.get(name) is not None and (type(body[name]) is not int or body[name] < 1):
            return name
    return None


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and isinstance(message.get("role"), str)


def _is_tool(tool: Any) -> bool:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return isinstance(tool, dict)
    function = tool.get("function")
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def _head(kind: str) -> JsonObject:
    return {"id": f"chatcmpl-{ids.new_request_id()}", "object": kind, "created": int(clock.now()), "model": MODEL}


def _choice(delta: JsonObject, finish_reason: str | None = None) -> JsonObject:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(data: JsonObject) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


def _json(data: JsonObject, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")


def _refusal(message: str, param: str | None = None) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return _json({"error": error}, status=400)


if __name__ == "__main__":
    main()
