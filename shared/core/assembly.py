"""Upstream chunks in, numbered events out."""

from collections.abc import Callable, Iterable
from typing import Any

from shared.core.chunks import Chunk, Finish, ItemBegun, ItemEnded, ItemEvent, Reasoning, Refusal, Text, ToolCall, Usage
from shared.core.custom_input import CustomInput
from shared.core.emission import Emission
from shared.core.native_items import NativeItems
from shared.core.response_fold import OpenItem, ResponseFold
from shared.core.response_render import usage_body
from shared.core.told_tools import ToldTool, told_tools
from shared.core.turn import Outcome
from shared.core.turn_status import Status
from shared.errors import UpstreamError
from shared.wire import response as wire
from shared.wire.items import Item
from shared.wire.response import Event

_INCOMPLETE_REASON = {"length": "max_output_tokens", "content_filter": "content_filter"}
_WRITTEN = {
    Text: ("message", "output_text", wire.TEXT_DELTA),
    Refusal: ("message", "refusal", wire.REFUSAL_DELTA),
    Reasoning: ("reasoning", "reasoning_text", wire.REASONING_DELTA),
}


class Assembly:
    """One attempt's output.

    Text, refusal and reasoning share one open item at a time. Calls stay open until the end, since an upstream may
    write several in turns. `new_item_id` takes an item type; both id makers are given, so that the core stays pure,
    and `seal`, if the turn's reasoning is to go out sealed as well.
    """

    def __init__(
        self,
        lifecycle: Iterable[Event],
        new_item_id: Callable[[str], str],
        new_call_id: Callable[[], str],
        seal: Callable[[str], str] | None = None,
    ) -> None:
        self.fold = ResponseFold.of(lifecycle)
        self._emission = Emission(self.fold)
        self._native = NativeItems(self._emission, new_item_id, new_call_id)
        self._new_item_id = new_item_id
        self._new_call_id = new_call_id
        self._seal = seal
        self._writing: OpenItem | None = None
        self._calls: dict[int, OpenItem] = {}
        self._inputs: dict[int, CustomInput] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None

    def feed(self, chunks: Iterable[Chunk]) -> list[Event]:
        """The events that `chunks` make; raises UpstreamError for a call that never got a name."""
        for chunk in chunks:
            if isinstance(chunk, (Text, Refusal, Reasoning)):
                self._write(chunk)
            elif isinstance(chunk, ToolCall):
                self._call(chunk)
            elif isinstance(chunk, ItemBegun | ItemEvent | ItemEnded):
                self._native.feed(chunk)
            elif isinstance(chunk, Finish):
                self._finish = chunk
            else:
                self._usage = chunk
        return self._emission.take()

    def outcome(self, at: float) -> Outcome:
        """How the upstream ended the turn, by its finish reason, at time `at`."""
        reason = _INCOMPLETE_REASON.get(self._finish.reason) if self._finish else None
        status = Status.INCOMPLETE if reason else Status.COMPLETED
        return Outcome(status=status, at=at, incomplete_reason=reason, usage=self.usage())

    def usage(self) -> dict[str, Any] | None:
        """The upstream's token counts so far, in the shape of the wire."""
        return usage_body(*self._usage) if self._usage else None

    def end(self, outcome: Outcome) -> list[Event]:
        """The closing events and the terminal one."""
        self._seal_reasoning()
        self._emission.end(outcome)
        return self._emission.take()

    def _write(self, chunk: Text | Refusal | Reasoning) -> None:
        if not chunk.text:
            return
        item_type, part, delta = _WRITTEN[type(chunk)]
        item = self._writing_item(item_type)
        if item.part is None or item.part.kind != part:
            self._emission.close_part(item)
            self._emission.add_part(item, part)
        logprobs = {"logprobs": list(chunk.logprobs)} if isinstance(chunk, Text) else {}
        self._emission.emit(delta, **item.place(), delta=chunk.text, **logprobs)

    def _writing_item(self, item_type: str) -> OpenItem:
        item = self._writing
        if item is None or item.item["type"] != item_type:
            self._close_writing()
            item = self._writing = self._emission.add_item(self._new_item(item_type))
        return item

    def _new_item(self, item_type: str) -> Item:
        kind: Item = {"role": "assistant"} if item_type == "message" else {"summary": []}
        return {"id": self._new_item_id(item_type), "type": item_type, "status": "in_progress", "content": []} | kind

    def _close_writing(self) -> None:
        if self._writing is not None:
            self._seal_reasoning()
            self._emission.close_item(self._writing)
            self._writing = None

    def _seal_reasoning(self) -> None:
        writing = self._writing
        if self._seal and writing and writing.item["type"] == "reasoning":
            text = "".join(part["text"] for part in writing.body("completed")["content"])
            writing.item = writing.item | {"encrypted_content": self._seal(text)}

    def _call(self, chunk: ToolCall) -> None:
        call = self._calls.get(chunk.position) or self._open_call(chunk)
        custom = self._inputs.get(chunk.position)
        text = custom.feed(chunk.arguments) if custom else chunk.arguments
        if text:
            kind = wire.CALLS[call.item["type"]].delta
            self._emission.emit(kind, item_id=call.item["id"], output_index=call.output_index, delta=text)

    def _open_call(self, chunk: ToolCall) -> OpenItem:
        if not chunk.name:
            raise UpstreamError("The upstream model server sent a tool call without a name.")
        self._close_writing()
        tool = self._tool(chunk.name)
        kind = "custom_tool_call" if tool and tool.custom else "function_call"
        if tool and tool.custom:
            self._inputs[chunk.position] = CustomInput()
        item: Item = {
            "id": self._new_item_id(kind),
            "type": kind,
            "status": "in_progress",
            "call_id": self._call_id(chunk),
            "name": tool.tool["name"] if tool else chunk.name,
            wire.CALLS[kind].key: "",
        }
        if tool and tool.space:
            item["namespace"] = tool.space
        call = self._calls[chunk.position] = self._emission.add_item(item)
        return call

    def _tool(self, name: str) -> ToldTool | None:
        """The caller's tool of this name; models also call what there is not."""
        return next((tool for tool in told_tools(self.fold.base["tools"]) if tool.name == name), None)

    def _call_id(self, chunk: ToolCall) -> str:
        # Two calls of one id could not be told apart when their outputs come.
        taken = {call.item["call_id"] for call in self._calls.values()}
        return chunk.call_id if chunk.call_id and chunk.call_id not in taken else self._new_call_id()
