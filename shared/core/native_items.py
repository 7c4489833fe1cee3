"""Items of a native Responses server, under ids, indexes and numbers of ours."""

from collections.abc import Callable
from typing import Any

from shared.core.chunks import ItemBegun, ItemChunk, ItemEnded, ItemEvent
from shared.core.emission import Emission
from shared.core.response_fold import UNSAID, OpenItem
from shared.wire import response as wire
from shared.wire.items import Item

# The deltas of content parts, with the kind of part each is of.
_DELTAS = {
    wire.TEXT_DELTA: "output_text",
    wire.REFUSAL_DELTA: "refusal",
    wire.REASONING_DELTA: "reasoning_text",
}
_CALL_DELTAS = {call.delta: kind for kind, call in wire.CALLS.items()}
_DELTA_OF = {kind: delta for delta, kind in _DELTAS.items()}
_TEXT_KEY = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
_HELD = {"message": ("output_text", "refusal"), "reasoning": ("reasoning_text",)}
_SUMMARY = "response.reasoning_summary_"
_LASTING = ("id", "type", "call_id", "name")


class NativeItems:
    """Follows the items of one answer.

    Messages, reasoning and calls are told anew from their deltas, since servers differ in which events go around
    them, how they count parts, and whether there are deltas at all. Items of other types pass as they are.
    """

    def __init__(self, emission: Emission, new_item_id: Callable[[str], str], new_call_id: Callable[[], str]) -> None:
        self._emission = emission
        self._new_item_id = new_item_id
        self._new_call_id = new_call_id
        self._open: dict[int, OpenItem] = {}
        self._call_ids: set[str] = set()

    def feed(self, chunk: ItemChunk) -> None:
        """Emit the events that one chunk makes; what belongs to no item under way makes none."""
        if isinstance(chunk, ItemBegun):
            self._begin(chunk)
        elif item := self._open.get(chunk.position):
            if isinstance(chunk, ItemEvent):
                self._event(item, chunk.type, chunk.fields)
            else:
                self._end(chunk)

    def _begin(self, chunk: ItemBegun) -> None:
        if before := self._open.get(chunk.position):
            self._end(ItemEnded(chunk.position, before.item | {"status": "completed"}))
        kind = chunk.item["type"]
        item = chunk.item | {"id": self._new_item_id(kind), "status": chunk.item.get("status") or "in_progress"}
        if kind in wire.CALLS:
            item["call_id"] = self._call_id(item["call_id"])
        self._open[chunk.position] = self._emission.add_item(item | UNSAID.get(kind, {}))

    def _call_id(self, theirs: str) -> str:
        # Two calls of one id could not be told apart when their outputs come.
        own = self._new_call_id() if theirs in self._call_ids else theirs
        self._call_ids.add(own)
        return own

    def _event(self, item: OpenItem, kind: str, fields: dict[str, Any]) -> None:
        if kind in _DELTAS:
            self._write(item, _DELTAS[kind], fields)
        elif kind == wire.PART_ADDED:
            if item.part is not None and item.part.pieces:
                self._emission.close_part(item)
        elif kind == wire.ANNOTATION_ADDED:
            self._annotate(item, fields["annotation"])
        elif kind.startswith(_SUMMARY):
            self._summarize(item, kind, fields)
        elif _belongs(kind, item):
            self._emission.emit(kind, item_id=item.item["id"], output_index=item.output_index, **fields)

    def _summarize(self, item: OpenItem, kind: str, fields: dict[str, Any]) -> None:
        """A summary's parts, told anew as well: one after the other, each closed before the next."""
        if item.item["type"] != "reasoning":
            return
        if kind == wire.SUMMARY_DELTA and fields["delta"]:
            if item.summary_done == len(item.summary):
                self._emission.add_summary(item)
            place = item.summary_place(len(item.summary) - 1)
            self._emission.emit(kind, **place, delta=fields["delta"])
        elif kind in (wire.SUMMARY_PART_ADDED, wire.SUMMARY_PART_DONE):
            self._emission.close_summary(item, len(item.summary))

    def _write(self, item: OpenItem, part: str, fields: dict[str, Any]) -> None:
        if not fields["delta"] or part not in _HELD.get(item.item["type"], ()):
            return
        if item.part is None or item.part.kind != part:
            self._emission.close_part(item)
            self._emission.add_part(item, part)
        self._emission.emit(_DELTA_OF[part], **item.place(), **fields)

    def _annotate(self, item: OpenItem, annotation: dict[str, Any]) -> None:
        if item.part is not None and item.part.kind == "output_text":
            number = len(item.part.annotations)
            self._emission.emit(wire.ANNOTATION_ADDED, **item.place(), annotation_index=number, annotation=annotation)

    def _end(self, chunk: ItemEnded) -> None:
        item = self._open.pop(chunk.position)
        ended = chunk.item if chunk.item["type"] == item.item["type"] else {}
        self._add_unsaid(item, ended)
        lasting = {key: item.item[key] for key in _LASTING if key in item.item}
        item.item = item.item | ended | lasting
        self._emission.close_item(item, _end_status(ended))

    def _add_unsaid(self, item: OpenItem, ended: Item) -> None:
        """What the item's end says and no event before it did."""
        parts = [part for part in ended.get("content") or () if part.get("type") in _TEXT_KEY]
        if item.item["type"] in ("message", "reasoning") and item.part is None and not item.parts:
            for part in parts:
                self._emission.close_part(item)
                self._write(item, part["type"], _delta_of_whole(part))
        if parts and item.part is not None:
            for annotation in (parts[-1].get("annotations") or ())[len(item.part.annotations) :]:
                self._annotate(item, annotation)
        for part in (ended.get("summary") or ())[len(item.summary) :]:
            if item.item["type"] == "reasoning" and isinstance(part.get("text"), str):
                self._emission.close_summary(item, len(item.summary))
                self._summarize(item, wire.SUMMARY_DELTA, {"delta": part["text"]})
        call = wire.CALLS.get(item.item["type"])
        if call and not item.arguments and ended.get(call.key):
            self._event(item, call.delta, {"delta": ended[call.key]})


def _belongs(kind: str, item: OpenItem) -> bool:
    """Whether an event can be of the item: those that grow a call are of one type each."""
    return kind not in _CALL_DELTAS or bool(item.item["type"] == _CALL_DELTAS[kind])


def _end_status(ended: Item) -> str:
    """Hosted tools have more statuses than the items that are told anew."""
    status = str(ended.get("status") or "completed")
    hosted = ended.get("type") not in UNSAID
    return status if hosted or status == "incomplete" else "completed"


def _delta_of_whole(part: dict[str, Any]) -> dict[str, Any]:
    logprobs = {"logprobs": part.get("logprobs") or []} if part["type"] == "output_text" else {}
    return {"delta": part[_TEXT_KEY[part["type"]]], **logprobs}
