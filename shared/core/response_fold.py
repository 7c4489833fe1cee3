"""Events in, Response out: the one accumulator, for the worker's turn, an ender's log and tests alike."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from shared.wire import response as wire
from shared.wire.items import Item
from shared.wire.response import Event, ResponseBody

# What an item has yet to say when it is added.
UNSAID: dict[str, Item] = {
    "message": {"role": "assistant", "content": []},
    "reasoning": {"summary": [], "content": []},
    **{kind: {call.key: ""} for kind, call in wire.CALLS.items()},
}


@dataclass(slots=True)
class OpenPart:
    """A content part still growing; text is kept in pieces, so that a long answer costs linear time."""

    kind: str
    pieces: list[str] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    text_done: bool = False

    def text(self) -> str:
        """All text so far."""
        return "".join(self.pieces)

    def body(self) -> dict[str, Any]:
        """The part as it goes over the wire."""
        if self.kind == "output_text":
            extra = {"annotations": [*self.annotations], "logprobs": [*self.logprobs]}
            return {"type": "output_text", "text": self.text(), **extra}
        key = "refusal" if self.kind == "refusal" else "text"
        return {"type": self.kind, key: self.text()}


@dataclass(slots=True)
class OpenItem:
    """An output item still growing: its closed parts, the one open part, or a call's arguments or input."""

    item: Item
    output_index: int
    parts: list[dict[str, Any]] = field(default_factory=list)
    part: OpenPart | None = None
    arguments: list[str] = field(default_factory=list)
    summary: list[list[str]] = field(default_factory=list)
    summary_done: int = 0
    call_done: bool = False

    def place(self) -> dict[str, Any]:
        """The keys by which events name the open part, or the next one."""
        return {"item_id": self.item["id"], "output_index": self.output_index, "content_index": len(self.parts)}

    def summary_place(self, index: int) -> dict[str, Any]:
        """The keys by which events name a part of the summary."""
        return {"item_id": self.item["id"], "output_index": self.output_index, "summary_index": index}

    def body(self, status: str) -> Item:
        """The item as it stands, under `status`."""
        if call := wire.CALLS.get(self.item["type"]):
            return self.item | {call.key: "".join(self.arguments), "status": status}
        if self.item["type"] not in ("message", "reasoning"):
            return self.item | {"status": status}
        content = [*self.parts, self.part.body()] if self.part else [*self.parts]
        summary = [{"type": "summary_text", "text": "".join(pieces)} for pieces in self.summary]
        return self.item | {"content": content, "status": status} | ({"summary": summary} if summary else {})


class ResponseFold:
    """Folds one attempt's events, in order, from `response.created` on; each costs constant time."""

    def __init__(self) -> None:
        self.last_number = -1
        self.base: ResponseBody = {}
        self.open: dict[int, OpenItem] = {}
        self._done: dict[int, Item] = {}
        self._ended: ResponseBody | None = None

    @classmethod
    def of(cls, events: Iterable[Event]) -> "ResponseFold":
        """The fold of a whole log."""
        fold = cls()
        for event in events:
            fold.apply(event)
        return fold

    @property
    def ended(self) -> bool:
        """Whether a terminal event was folded."""
        return self._ended is not None

    @property
    def next_output_index(self) -> int:
        """The index of the next item added."""
        return len(self.open) + len(self._done)

    def apply(self, event: Event) -> None:
        """Take one event in; types that nothing depends on change nothing."""
        self.last_number = event["sequence_number"]
        step = _STEPS.get(event["type"])
        if step is not None:
            step(self, event)

    def output(self) -> list[Item]:
        """The items so far, in their order; open ones as they stand."""
        bodies = self._done | {index: item.body("in_progress") for index, item in self.open.items()}
        return [bodies[index] for index in sorted(bodies)]

    def response(self) -> ResponseBody:
        """The Response: the terminal event's own, once there is one."""
        return self._ended or self.base | {"output": self.output()}

    def _lifecycle(self, event: Event) -> None:
        self.base = event["response"]

    def _terminal(self, event: Event) -> None:
        self._ended = event["response"]

    def _item_added(self, event: Event) -> None:
        index = event["output_index"]
        self.open[index] = OpenItem(event["item"], index)

    def _item_done(self, event: Event) -> None:
        index = event["output_index"]
        del self.open[index]
        self._done[index] = event["item"]

    def _part_added(self, event: Event) -> None:
        self.open[event["output_index"]].part = OpenPart(event["part"]["type"])

    def _part_done(self, event: Event) -> None:
        item = self.open[event["output_index"]]
        item.parts.append(event["part"])
        item.part = None

    def _text(self, event: Event) -> None:
        part = self.open[event["output_index"]].part
        assert part is not None, "a delta follows its content_part.added"
        part.pieces.append(event["delta"])
        if event.get("logprobs"):
            part.logprobs.extend(event["logprobs"])

    def _text_done(self, event: Event) -> None:
        part = self.open[event["output_index"]].part
        assert part is not None, "a text is done before its part"
        part.text_done = True

    def _call_done(self, event: Event) -> None:
        self.open[event["output_index"]].call_done = True

    def _summary_part_added(self, event: Event) -> None:
        self.open[event["output_index"]].summary.append([])

    def _summary(self, event: Event) -> None:
        self.open[event["output_index"]].summary[-1].append(event["delta"])

    def _summary_part_done(self, event: Event) -> None:
        self.open[event["output_index"]].summary_done += 1

    def _annotation(self, event: Event) -> None:
        part = self.open[event["output_index"]].part
        assert part is not None, "an annotation follows its text"
        part.annotations.append(event["annotation"])

    def _arguments(self, event: Event) -> None:
        self.open[event["output_index"]].arguments.append(event["delta"])


_STEPS: dict[str, Callable[[ResponseFold, Event], None]] = {
    wire.CREATED: ResponseFold._lifecycle,
    wire.QUEUED: ResponseFold._lifecycle,
    wire.IN_PROGRESS: ResponseFold._lifecycle,
    wire.ITEM_ADDED: ResponseFold._item_added,
    wire.ITEM_DONE: ResponseFold._item_done,
    wire.PART_ADDED: ResponseFold._part_added,
    wire.PART_DONE: ResponseFold._part_done,
    wire.TEXT_DELTA: ResponseFold._text,
    wire.REFUSAL_DELTA: ResponseFold._text,
    wire.REASONING_DELTA: ResponseFold._text,
    **dict.fromkeys((wire.TEXT_DONE, wire.REFUSAL_DONE, wire.REASONING_DONE), ResponseFold._text_done),
    wire.SUMMARY_PART_ADDED: ResponseFold._summary_part_added,
    wire.SUMMARY_PART_DONE: ResponseFold._summary_part_done,
    wire.SUMMARY_DELTA: ResponseFold._summary,
    wire.ANNOTATION_ADDED: ResponseFold._annotation,
    **{call.delta: ResponseFold._arguments for call in wire.CALLS.values()},
    **{call.done: ResponseFold._call_done for call in wire.CALLS.values()},
    **dict.fromkeys(wire.TERMINAL_EVENTS, ResponseFold._terminal),
}
