"""The answer of a native Responses server: its events in, chunks out, whatever it leaves out or adds."""

import re
from typing import Any, Final

from shared.core.chunks import Chunk, Finish, ItemBegun, ItemEnded, ItemEvent, Usage
from shared.upstream import failures
from shared.upstream.json_values import as_count, as_document, as_list, as_object, as_text
from shared.wire import response as wire

_EVENT_TYPE: Final = re.compile(r"response\.[a-z0-9_.]{1,100}")
_ITEM_TYPE: Final = re.compile(r"[a-z0-9_]{1,64}")
_TEXT_KEYS: Final = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
# Deltas begin their item themselves where the server did not.
_BEGINS: Final = {wire.TEXT_DELTA: "message", wire.REFUSAL_DELTA: "message", wire.REASONING_DELTA: "reasoning"}
# Said by ourselves: from the row, from the deltas, or at the item's end.
_REPEATED: Final = frozenset(
    {
        wire.PART_DONE,
        wire.TEXT_DONE,
        wire.REFUSAL_DONE,
        wire.REASONING_DONE,
        *(call.done for call in wire.CALLS.values()),
        wire.CREATED,
        wire.QUEUED,
        wire.IN_PROGRESS,
        "response.reasoning.done",
        "response.reasoning_part.added",  # of vLLM
        "response.reasoning_part.done",
    }
)
_SAME: Final = {"response.reasoning.delta": wire.REASONING_DELTA}  # as Open Responses names it
_ENDS: Final = frozenset({wire.COMPLETED, wire.INCOMPLETE, wire.FAILED, "response.cancelled"})
_OWN: Final = ("message", "reasoning", *wire.CALLS)  # the types that are told in our own shape
_PLAIN_DELTAS: Final = {wire.REFUSAL_DELTA, wire.REASONING_DELTA, *(call.delta for call in wire.CALLS.values())}
# Where an event belongs is told anew; an `error` at the top would make SDKs raise.
_LEFT_OUT: Final = ("type", "sequence_number", "item_id", "output_index", "obfuscation", "error", "response")


class ResponsesEvents:
    """Reads one answer: its events, or the whole Response of a server that does not stream."""

    def __init__(self) -> None:
        self.finished = False
        self.complete = False
        self._open: set[int] = set()
        self._begun = 0

    def read(self, value: Any) -> list[Chunk]:
        """The chunks in one event; raises UpstreamError on what is none, and on the server's own errors."""
        event = as_object(value)
        kind = as_text(event.get("type"))
        kind = _SAME.get(kind, kind)
        if kind == "error" or (not kind and event.get("error")):
            raise failures.reported(event.get("error") or event)
        if kind in _ENDS:
            return self._end(as_object(event.get("response")))
        if event.get("object") == "response":
            return self._end(event)
        if "output_index" not in event or kind in _REPEATED or not _EVENT_TYPE.fullmatch(kind):
            return []
        position = as_count(event["output_index"])
        if kind == wire.ITEM_ADDED:
            return [self._begin(position, _item(event.get("item")))]
        if kind == wire.ITEM_DONE:
            return self._end_item(position, _item(event.get("item")))
        return self._within(position, kind, event)

    def _begin(self, position: int, item: dict[str, Any]) -> ItemBegun:
        self._open.add(position)
        self._begun += 1
        return ItemBegun(position, item)

    def _end_item(self, position: int, item: dict[str, Any]) -> list[Chunk]:
        begun: list[Chunk] = [] if position in self._open else [self._begin(position, item)]
        self._open.discard(position)
        return [*begun, ItemEnded(position, item)]

    def _within(self, position: int, kind: str, event: dict[str, Any]) -> list[Chunk]:
        chunks: list[Chunk] = []
        if position not in self._open:
            if kind not in _BEGINS:
                return []
            chunks.append(self._begin(position, {"type": _BEGINS[kind]}))
        return [*chunks, ItemEvent(position, kind, _fields(kind, event))]

    def _end(self, response: dict[str, Any]) -> list[Chunk]:
        """What was never begun or ended is in the Response; then why it ended, and its usage."""
        output = [_item(item) for item in as_list(response.get("output"))]
        chunks: list[Chunk] = []
        for position, item in enumerate(output):
            if position in self._open or position >= self._begun:
                chunks += self._end_item(position, item)
        if usage := response.get("usage"):
            chunks.append(_usage(as_object(usage)))
        self.complete = True
        return [*chunks, self._finish(response)]

    def _finish(self, response: dict[str, Any]) -> Finish:
        status = response.get("status")
        if status == "failed" or response.get("error"):
            raise failures.reported(response.get("error"))
        if status not in ("completed", "incomplete"):
            raise failures.cut()
        self.finished = True
        if status == "completed":
            return Finish("stop")
        reason = as_object(response.get("incomplete_details")).get("reason")
        return Finish("content_filter" if reason == "content_filter" else "length")


def _item(value: Any) -> dict[str, Any]:
    """An item without its id, and with what its type cannot do without."""
    item = as_document(value)
    item.pop("id", None)
    kind = as_text(item.get("type"))
    if not _ITEM_TYPE.fullmatch(kind):
        raise failures.garbage()
    if kind in _OWN:
        item = {key: value for key, value in item.items() if value is not None}
    if kind in ("message", "reasoning"):
        item["content"] = [_part(as_object(part)) for part in as_list(item.get("content"))]
    if kind == "reasoning":
        item["summary"] = [as_object(part) for part in as_list(item.get("summary"))]
    if kind in wire.CALLS and not (as_text(item.get("name")) and item.get("call_id")):
        raise failures.garbage()
    texts = ("status", "call_id", "name", "arguments", "input") if kind in wire.CALLS else ("status",)
    return item | {name: as_text(item[name]) for name in texts if name in item}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind in _TEXT_KEYS:
        part[_TEXT_KEYS[kind]] = as_text(part.get(_TEXT_KEYS[kind]))
    if kind == "output_text":
        part["annotations"] = [as_object(one) for one in as_list(part.get("annotations"))]
        part["logprobs"] = [as_object(one) for one in as_list(part.get("logprobs"))]
    return part


def _fields(kind: str, event: dict[str, Any]) -> dict[str, Any]:
    if kind == wire.TEXT_DELTA:
        logprobs = [as_object(one) for one in as_list(event.get("logprobs"))]
        return {"delta": as_text(event.get("delta")), "logprobs": logprobs}
    if kind in _PLAIN_DELTAS:
        return {"delta": as_text(event.get("delta"))}
    if kind == wire.SUMMARY_DELTA:
        return {"summary_index": as_count(event.get("summary_index")), "delta": as_text(event.get("delta"))}
    if kind == wire.ANNOTATION_ADDED:
        return {"annotation": as_document(event.get("annotation"))}
    return {name: value for name, value in as_document(event).items() if name not in _LEFT_OUT}


def _usage(usage: dict[str, Any]) -> Usage:
    return Usage(
        input_tokens=as_count(usage.get("input_tokens")),
        output_tokens=as_count(usage.get("output_tokens")),
        cached_tokens=as_count(as_object(usage.get("input_tokens_details")).get("cached_tokens")),
        reasoning_tokens=as_count(as_object(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )
