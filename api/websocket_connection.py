"""One WebSocket connection: messages in, turns and errors out, until one side ends it."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.websockets import WebSocket, WebSocketDisconnect

from api import foreground, response_stream, turn_creation, websocket_messages
from api.auth import caller_of
from api.request_context import request_id
from api.runtime import ApiRuntime
from api.sse import Batches, deliver, runs_on, stop
from api.websocket_lanes import Lanes
from api.websocket_memory import ConnectionMemory
from api.websocket_messages import Message
from shared import tracing
from shared.core.turn import Turn
from shared.errors import InvalidRequest, Unavailable
from shared.wire.response import FAILED

_FAILED = f"event: {FAILED}\n".encode()


@dataclass(frozen=True, slots=True)
class Closing:
    """Why this side ends the connection: the close's code and reason, and the error of messages that come too late."""

    code: int
    reason: str
    error: Callable[[], Exception]


_RESTARTING = Closing(1012, "The server restarts.", partial(Unavailable, "This server is stopping. Connect again."))
_TIME_IS_UP = Closing(
    1001,
    "The connection's time is up.",
    partial(InvalidRequest, "This connection's time is up. Connect again.", code="websocket_connection_limit_reached"),
)


class Connection:
    """Serves one client after the accept. The official SDK can reconnect by itself after each code we close with."""

    def __init__(self, runtime: ApiRuntime, socket: WebSocket) -> None:
        self._runtime = runtime
        self._socket = socket
        self._memory = ConnectionMemory(runtime.held)
        self._lanes = Lanes(self._answer, runtime.settings.max_body_bytes)
        self._left = asyncio.Event()
        self._closing: Closing | None = None

    async def run(self) -> None:
        """Serve until the client leaves, the connection's time is up or the server stops.

        A client that leaves takes its foreground turns with it. When this side ends, those that run come to their end.
        """
        receiving = asyncio.create_task(self._receive())
        closing = asyncio.create_task(self._close_in_time())
        try:
            await asyncio.wait({receiving, closing}, return_when=asyncio.FIRST_COMPLETED)
            await self._lanes.idle()
        except asyncio.CancelledError:
            # The server waits no longer; the turns are ended by whoever sweeps next.
            await self._lanes.break_off()
            await self._close(_RESTARTING)
        finally:
            await stop(receiving, closing)
            self._memory.clear()

    async def _receive(self) -> None:
        """Take messages until the client has left: never a pause, or that would not be noticed."""
        while (received := await self._socket.receive())["type"] != "websocket.disconnect":
            await self._take(received.get("text") or received.get("bytes") or b"")
            await asyncio.sleep(0)  # a thousand messages at once hold up nobody else
        self._left.set()

    async def _take(self, data: str | bytes) -> None:
        message: Message | None = None
        try:
            message = websocket_messages.parse(data, self._runtime.settings.max_body_bytes)
            if message.kind == "response.steer":
                await self._send(websocket_messages.steering_refused(message))
            else:
                self._refuse_too_late()
                self._lanes.put(message)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, a message is answered
            await self._send(websocket_messages.failure(error, message.stream_id if message else None))

    async def _close_in_time(self) -> None:
        """End the connection from this side, once what runs has come to its end."""
        try:
            async with asyncio.timeout(self._runtime.settings.websocket_seconds):
                await self._runtime.stopping.wait()
            self._closing = _RESTARTING
        except TimeoutError:
            self._closing = _TIME_IS_UP
        await self._lanes.idle()
        if self._closing is _TIME_IS_UP:
            await self._send(websocket_messages.failure(_TIME_IS_UP.error(), None))
        await self._close(self._closing)

    async def _answer(self, message: Message) -> None:
        """Make the turn of a `response.create` and tell its events; whatever goes wrong before is told instead."""
        if self._left.is_set():
            return
        try:
            self._refuse_too_late()
            with tracing.span("websocket response.create", kind="server", request_id=request_id()):
                await self._create(message)
        except Exception as error:  # noqa: BLE001 - as above
            self._memory.forget(message.fields.get("previous_response_id"))
            await self._send(websocket_messages.failure(error, message.stream_id))

    async def _create(self, message: Message) -> None:
        body, generate = websocket_messages.create(message)
        # Asked anew each time: a key that was revoked is worthless on an open connection too.
        caller = await caller_of(self._socket)
        await self._runtime.request_rate.admit(caller.owner)
        creation = turn_creation.prepare(
            self._runtime,
            caller,
            body,
            generate=generate,
            parent_held=body.previous_response_id in self._memory,
        )
        slot = self._runtime.streams.take(caller.owner)
        try:
            placed = await turn_creation.place(self._runtime, creation)
            if not creation.turn.store:
                self._memory.remember(creation.turn.id)
            await self._tell(creation.turn, message.stream_id, waits=not placed.dispatchable)
        finally:
            slot.let_go()

    async def _tell(self, turn: Turn, stream_id: str | None, *, waits: bool) -> None:
        """Send the turn's events to the last one, or until there is nobody to read them."""
        runtime = self._runtime
        batches = runtime.reader(turn, -1).batches()
        until, on_disconnect = runtime.stopping, runs_on
        if not turn.background:
            on_disconnect = partial(foreground.cancel, runtime, turn)
            batches = response_stream.giving_up(runtime, turn, batches, waits=waits)
            until = asyncio.Event()
        try:
            await deliver(self._send_all(turn, batches, stream_id), self._left.wait(), until, on_disconnect)
        finally:
            await batches.aclose()

    async def _send_all(self, turn: Turn, batches: Batches, stream_id: str | None) -> None:
        async for batch in batches:
            if batch is None:  # an idle time, which the protocol's own pings fill
                continue
            if _FAILED in batch.frames:
                self._memory.forget(turn.id)
                self._memory.forget(turn.previous_response_id)
            for event in websocket_messages.events(batch.frames, stream_id):
                await self._send(event)

    def _refuse_too_late(self) -> None:
        if self._closing:
            raise self._closing.error()

    async def _send(self, event: bytes) -> None:
        """Send, as fast as the client reads."""
        try:
            await self._socket.send_text(event.decode())
        except (WebSocketDisconnect, RuntimeError):  # the latter: closed by the protocol, over a message too large
            self._left.set()

    async def _close(self, closing: Closing) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close(closing.code, closing.reason)
