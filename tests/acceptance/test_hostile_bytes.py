"""What no client of good will sends: heads without end, bodies without bound, texts that try to be more (S8, S9)."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.acceptance.conftest import MAX_BODY_BYTES
from tests.acceptance.turns import answer
from tests.raw_http import DEADLINE_SECONDS, RawStream, request_bytes
from tests.scripted_upstream import ScriptedUpstream
from tests.stack import Stack
from tests.upstream_steps import Say, ToolPiece

MIB = 1024 * 1024
# Half of what each test sends at least, and more than any other request needs.
MOST_GROWTH = 20 * MIB
ENDLESS = 64 * MIB

# Line ends of every kind, frames of an event stream, ends of heads, markup.
INJECTION = "a\r\nb\n\nevent: forged\ndata: {}\r\n\r\nid: 9\u2028\u2029\u0085\v\f\x1c\x00<script>\"'\\"


def memory(stack: Stack) -> int:
    """The most that the first API process has ever used."""
    process = psutil.Process(stack.apis[0].pid)
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return int(process.memory_info().rss)
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024


@pytest.fixture
def grows_little(stack: Stack) -> Iterator[None]:
    """The test sends far more than the process may keep."""
    httpx2.post(f"{stack.url()}/responses", json={"model": "m", "input": "x"})
    before = memory(stack)
    yield
    assert memory(stack) - before < MOST_GROWTH


def send_for_long(connection: socket.socket, piece: bytes) -> None:
    for _ in range(ENDLESS // MIB):
        connection.sendall(piece)


HEAD = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.usefixtures("grows_little")
@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"GET /", b"x"),
        (b"GET /?x=", b"%00"),
        (HEAD, b"x: y\r\n"),
        (HEAD + b"x: ", b"y"),
        (HEAD + b"authorization: Bearer ", b"y"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", b"y"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1;", b"y"),
        (b"", b"\r\n"),
    ],
    ids=["path", "query", "headers", "header", "key", "trailers", "trailer", "chunk extension", "nothing"],
)
def test_a_head_has_an_end(stack: Stack, head: bytes, piece: bytes) -> None:
    address = ("127.0.0.1", stack.apis[0].port)
    with socket.create_connection(address, DEADLINE_SECONDS) as connection:
        connection.sendall(head)
        with pytest.raises(ConnectionError):
            send_for_long(connection, piece * (MIB // len(piece)))


@pytest.mark.usefixtures("grows_little")
def test_a_body_that_is_declared_too_large_is_refused_unread(stack: Stack) -> None:
    head = request_bytes(stack.url(), "POST", "/responses", b"", {"content-length": str(100 * MIB)})
    with RawStream(stack.url(), head) as answered:
        assert answered.status == 413
        assert answered.json()["error"]["code"] == "request_too_large"


@pytest.mark.usefixtures("grows_little")
@pytest.mark.parametrize("path", ["/responses", "/conversations", "/chat/completions", "/embeddings"])
def test_a_body_of_a_hundred_megabytes_is_not_taken_in(stack: Stack, path: str) -> None:
    piece = b" " * MIB
    with httpx2.Client(base_url=stack.url(), timeout=30) as http:
        for content in (piece * 100, iter([piece] * 100)):
            try:
                assert http.post(path, content=content).status_code == 413
            except httpx2.TransportError:  # hung up on in the middle of sending: refused as well
                continue


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999999\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"GET /v1/\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/responses HTTP/1.1\r\nx: a\x00b\r\n\r\n",
        b"GET /v1/responses HTTP/1.1\r\nx\r\n\r\n",
        b"BREW /v1/responses HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_is_refused_in_the_envelope(stack: Stack, request_line: bytes) -> None:
    with RawStream(stack.url(), request_line) as answered:
        assert answered.status == 400
        assert answered.json()["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("number", ["-1", "1.5", "x", "1e3", "99999999999999999999", "", "\u0661", "0, 1"])
def test_a_last_event_id_that_is_no_number_of_an_event_is_refused(http: httpx2.Client, number: str) -> None:
    turn = http.post("/responses", json={"model": "m", "input": "x"}).json()["id"]
    refused = http.get(f"/responses/{turn}/events", headers={"Last-Event-ID": number.encode()})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "Last-Event-ID"


@pytest.mark.parametrize(
    "token", ["", "x", "%00", "gAAAAA", "%F0%9F%98%80", "x" * 5000, "..%2f", "%0d%0aset-cookie:a=b"]
)
def test_a_token_that_was_not_made_here_opens_nothing(http: httpx2.Client, token: str) -> None:
    turn = http.post("/responses", json={"model": "m", "input": "x"}).json()["id"]
    refused = http.get(f"/responses/{turn}/events?token={token}")
    assert refused.status_code in (400, 404)
    assert "set-cookie" not in refused.headers


def request(topic: str) -> dict[str, Any]:
    """A turn with such a text wherever a text is stored."""
    item = {"type": "message", "role": "user", "content": f"{topic} {INJECTION}", "extra": INJECTION}
    call = {"type": "function_call", "call_id": INJECTION, "name": "f", "arguments": INJECTION}
    output = {"type": "function_call_output", "call_id": INJECTION, "output": INJECTION}
    tool = {"type": "custom", "name": "write", "description": INJECTION}
    return {
        "model": "m\u2028\u0085<script>\"'\\",
        "input": [call, output, item],
        "instructions": INJECTION,
        "metadata": {INJECTION: INJECTION},
        "tools": [tool, {"type": INJECTION}],
        "user": INJECTION,
        "prompt_cache_key": INJECTION,
        "safety_identifier": INJECTION,
        INJECTION: 1,
    }


def streams(stack: Stack, response_id: str) -> list[Callable[[], RawStream]]:
    return [
        lambda: RawStream.get(stack.url(), f"/responses/{response_id}?stream=true"),
        lambda: RawStream.get(stack.url(), f"/responses/{response_id}/events"),
    ]


def test_no_text_forges_a_line_of_a_stream_or_a_header(
    stack: Stack, http: httpx2.Client, upstream: ScriptedUpstream, topic: str
) -> None:
    """S8: of the caller's, or of the model's; the text itself is told as it was."""
    written = ToolPiece(json.dumps({"input": INJECTION}), id=INJECTION, name="write")
    upstream.script(topic, answer(Say(INJECTION), written, finish="tool_calls"))
    body = request(topic) | {"background": True, "stream": True}
    headers = {"Idempotency-Key": "a\tb<script>"}
    with RawStream.post(stack.url(), "/responses", body, headers) as stream:
        events = list(stream.events())
        opened = [stream]
    response = events[-1]["response"]
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["text"] == INJECTION.replace("\x00", "\ufffd")
    for again in streams(stack, response["id"]):
        with again() as stream:
            assert [event["type"] for event in stream.events()] == [event["type"] for event in events]
            opened.append(stream)
    for stream in opened:
        text = b"".join(stream.frames).decode()
        # Whatever an editor or a browser takes for the end of a line stands where one belongs, and there alone.
        assert len(text.splitlines()) == text.count("\n")
        assert {line.partition(": ")[0] for line in text.splitlines()} <= {"event", "data", "id", "retry", ""}
        assert "forged" not in {line.removeprefix("event: ") for line in text.splitlines()}
    listed = http.get("/responses", params={"metadata[a]": INJECTION.replace("\x00", "")})
    assert listed.status_code == 200


def test_a_body_at_its_limit_is_answered(http: httpx2.Client) -> None:
    """Refusing what is too large refuses nothing else."""
    empty = json.dumps({"model": "m", "input": "", "store": False, "background": True})
    text = "x" * (MAX_BODY_BYTES - len(empty) - 100)
    made = http.post("/responses", json={"model": "m", "input": text, "store": False, "background": True})
    assert made.status_code == 200
