"""A model server that does what the test tells it to: real HTTP, in a thread of its own, for any kind of test.

    with ScriptedUpstream() as upstream:
        upstream.script("weather", [Say("It "), Gate("rain"), Say("rains."), Finish(), Tokens(5, 2)])
        ...                                    # a call whose last user text holds "weather" is under way
        upstream.wait_at("rain")               # "It " was sent, the server waits
        upstream.open("rain")                  # now it goes on
        upstream.wait_for_calls(1)[0].wait_ended()

A call that matches no script is answered with its last user text, word by word. Given several lists, a script
uses one for each call, and the last of them from then on. Every wait has a deadline and raises TimeoutError.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from aiohttp import web

from tests.upstream_steps import Cut, Done, Finish, Gate, Pause, Raw, Reply, Say, Stall, Step, Tokens, event_of

DEADLINE_SECONDS = 10.0


class Call:
    """One call the server received."""

    def __init__(self, changed: threading.Condition, request: web.Request, body: Any) -> None:
        self._changed = changed
        self.body = body
        self.path = request.path
        self.headers = request.headers
        self.peer = request.transport.get_extra_info("peername") if request.transport else None
        self.started_at = time.monotonic()
        self.waiting_at: str | None = None
        self.ended = False
        self.closed_by_client = False

    @property
    def last_user_text(self) -> str:
        return last_user_text(self.body)

    def wait_ended(self, seconds: float = DEADLINE_SECONDS) -> None:
        """Until the server has done with this call, in whatever way."""
        wait_until(self._changed, lambda: self.ended, seconds, "the call to end")

    def wait_closed_by_client(self, seconds: float = DEADLINE_SECONDS) -> None:
        """Until the client has hung up before the answer was complete."""
        wait_until(self._changed, lambda: self.closed_by_client, seconds, "the client to hang up")


class ScriptedUpstream:
    """The server; `base_url` ends in `/v1`. It keeps its port when stopped and started again."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.models = Reply(
            200, json.dumps({"object": "list", "data": [{"id": "scripted", "object": "model"}]}).encode()
        )
        self.tokenizers: dict[str, Reply] = {}
        """What it answers at `/tokenize` and `/apply-template`; it has none of its own."""
        self.port = 0
        self._scripts: dict[str, list[Sequence[Step]]] = {}
        self._open_gates: set[str] = set()
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._gate_moved: asyncio.Event | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    # -- for the test ---------------------------------------------------------------------------------------

    def script(self, match_text: str, *steps: Sequence[Step]) -> None:
        """Answer calls whose last user text holds `match_text` with these steps."""
        with self._changed:
            self._scripts.pop(match_text, None)
            self._scripts[match_text] = list(steps)

    def open(self, gate: str) -> None:
        """Let every call through this gate, now and later."""
        with self._changed:
            self._open_gates.add(gate)
        self._tell(lambda: self._gate_moved)

    def shut(self, gate: str) -> None:
        """Make later calls wait at this gate again."""
        with self._changed:
            self._open_gates.discard(gate)

    def wait_at(self, gate: str, seconds: float = DEADLINE_SECONDS) -> Call:
        """The call that waits at this gate, everything before it sent."""
        wait_until(self._changed, lambda: self._waiting_at(gate) is not None, seconds, f"a call at gate {gate!r}")
        call = self._waiting_at(gate)
        assert call is not None
        return call

    def wait_for_calls(self, count: int, match_text: str = "", seconds: float = DEADLINE_SECONDS) -> list[Call]:
        """The calls with this text, as soon as there are `count` of them."""
        wait_until(self._changed, lambda: len(self.calls_with(match_text)) >= count, seconds, f"{count} calls")
        return self.calls_with(match_text)

    def calls_with(self, match_text: str) -> list[Call]:
        """The calls so far whose last user text holds `match_text`."""
        with self._changed:
            return [call for call in self.calls if match_text in call.last_user_text]

    # -- life -----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; returns when connections are accepted."""
        ready = threading.Event()
        failure: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self._serve(ready))
            except BaseException as error:  # noqa: BLE001 the thread that starts us raises it
                failure.append(error)
                ready.set()

        self._thread = threading.Thread(target=run, name="scripted-upstream", daemon=True)
        self._thread.start()
        if not ready.wait(DEADLINE_SECONDS):
            raise TimeoutError("the scripted upstream did not start")
        if failure:
            raise failure[0]

    def stop(self) -> None:
        """Drop every connection and stop listening."""
        if self._thread is None:
            return
        self._tell(lambda: self._stopping)
        self._thread.join(DEADLINE_SECONDS)
        self._thread = None

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._gate_moved, self._stopping = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self._list_models)
        for path in ("/v1/chat/completions", "/v1/responses", "/v1/responses/input_tokens", "/v1/embeddings"):
            app.router.add_post(path, self._complete)
        for path in ("/tokenize", "/apply-template"):
            app.router.add_post(path, self._tokenize)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port, backlog=1024, reuse_address=True).start()
            self.port = runner.addresses[0][1]
            ready.set()
            await self._stopping.wait()
        finally:
            await runner.cleanup()
            self._loop = None

    def _tell(self, event: Callable[[], asyncio.Event | None]) -> None:
        loop, told = self._loop, event()
        if loop is not None and told is not None:
            loop.call_soon_threadsafe(told.set)

    # -- answering ------------------------------------------------------------------------------------------

    async def _list_models(self, _request: web.Request) -> web.Response:
        return _reply(self.models)

    async def _tokenize(self, request: web.Request) -> web.Response:
        call = Call(self._changed, request, json.loads(await request.read()))
        self._note(lambda: self.calls.append(call))
        return _reply(self.tokenizers.get(request.path, Reply(404)))

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        call = Call(self._changed, request, json.loads(await request.read()))
        answer = _StreamedAnswer(request)
        steps = self._steps_for(call)
        self._note(lambda: self.calls.append(call))
        try:
            return await self._play(steps, call, answer)
        except (asyncio.CancelledError, ConnectionResetError):
            stopping = self._stopping is not None and self._stopping.is_set()
            self._note(lambda: setattr(call, "closed_by_client", not answer.cut and not stopping))
            raise
        finally:
            self._note(lambda: setattr(call, "ended", True))

    async def _play(self, steps: Sequence[Step], call: Call, answer: "_StreamedAnswer") -> web.StreamResponse:
        for step in steps:
            match step:
                case Reply():
                    return _reply(step)
                case Gate(name):
                    await self._wait_at_gate(call, name)
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Stall():
                    await answer.begin()
                    await asyncio.Event().wait()
                case Cut(reset):
                    return await answer.drop(reset)
                case _:
                    await answer.send(step)
        return await answer.end()

    async def _wait_at_gate(self, call: Call, name: str) -> None:
        assert self._gate_moved is not None
        self._note(lambda: setattr(call, "waiting_at", name))
        while name not in self._open_gates:
            self._gate_moved.clear()
            if name not in self._open_gates:
                await self._gate_moved.wait()
        self._note(lambda: setattr(call, "waiting_at", None))

    def _steps_for(self, call: Call) -> Sequence[Step]:
        text = call.last_user_text
        with self._changed:
            for match_text, lists in reversed(self._scripts.items()):
                if match_text in text:
                    return lists.pop(0) if len(lists) > 1 else lists[0]
        words = text.split(" ")
        pieces = [*(word + " " for word in words[:-1]), words[-1]]
        return [*(Say(piece) for piece in pieces), Finish(), Tokens(len(words), len(words)), Done()]

    def _waiting_at(self, gate: str) -> Call | None:
        with self._changed:
            return next((call for call in self.calls if call.waiting_at == gate and not call.ended), None)

    def _note(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()


class _StreamedAnswer:
    """The response to one call, begun with the first byte of its body or with a stall."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self.cut = False

    async def begin(self) -> None:
        if not self._response.prepared:
            await self._response.prepare(self._request)

    async def send(self, step: Step) -> None:
        await self.begin()
        data = step.data if isinstance(step, Raw) else event_of(step)
        size = (step.slice_bytes if isinstance(step, Raw) else None) or max(len(data), 1)
        for start in range(0, len(data), size):
            await self._response.write(data[start : start + size])
            await asyncio.sleep(0)  # lets each slice leave on its own

    async def drop(self, reset: bool) -> web.StreamResponse:
        self.cut = True
        transport = self._request.transport
        if transport is not None:
            transport.abort() if reset else transport.close()
        return self._response

    async def end(self) -> web.StreamResponse:
        await self.begin()
        return self._response


def last_user_text(body: Any) -> str:
    """The text of the last user message, however it is written; or the text to be embedded."""
    if isinstance(body, dict) and isinstance(body.get("input"), str):
        return str(body["input"])
    messages = body.get("messages", body.get("input", [])) if isinstance(body, dict) else []
    contents = [message.get("content") for message in messages if message.get("role") == "user"]
    content = contents[-1] if contents else ""
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return content or ""


def wait_until(changed: threading.Condition, happened: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a change that makes `happened` true; raises TimeoutError that says what was waited for."""
    with changed:
        if not changed.wait_for(happened, seconds):
            raise TimeoutError(f"waited {seconds} s for {what}")


def _reply(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
