"""The one place that gives numbers to events."""

from typing import Any, cast

from shared.core.response_fold import OpenItem, OpenPart, ResponseFold
from shared.core.response_render import render_ended
from shared.core.turn import Outcome
from shared.core.turn_status import Status
from shared.wire import response as wire
from shared.wire.items import Item
from shared.wire.response import Event, ResponseBody

_DONE_EVENT = {
    "output_text": wire.TEXT_DONE,
    "refusal": wire.REFUSAL_DONE,
    "reasoning_text": wire.REASONING_DONE,
}
_TERMINAL_EVENT = {
    Status.COMPLETED: wire.COMPLETED,
    Status.INCOMPLETE: wire.INCOMPLETE,
    Status.FAILED: wire.FAILED,
    Status.CANCELLED: wire.FAILED,  # no SDK knows a cancelled event; the response inside says it
}


class Emission:
    """Numbers events without gap, folds each, and hands them over in batches (`take`)."""

    def __init__(self, fold: ResponseFold) -> None:
        self.fold = fold
        self._events: list[Event] = []

    def take(self) -> list[Event]:
        """The events emitted since the last call."""
        events, self._events = self._events, []
        return events

    def emit(self, kind: str, /, **fields: Any) -> None:
        """Emit one event under the next number."""
        self._number(kind, self.fold.last_number + 1, fields)

    def add_item(self, item: Item) -> OpenItem:
        """Open an output item at the next index."""
        index = self.fold.next_output_index
        self.emit(wire.ITEM_ADDED, output_index=index, item=item)
        return self.fold.open[index]

    def add_part(self, item: OpenItem, kind: str) -> None:
        """Open a content part of `item`."""
        self.emit(wire.PART_ADDED, **item.place(), part=OpenPart(kind).body())

    def close_part(self, item: OpenItem) -> None:
        """Say that the item's open part is done, if it has one."""
        part = item.part
        if part is None:
            return
        body = part.body()
        whole = {"refusal": body["refusal"]} if part.kind == "refusal" else {"text": body["text"]}
        if part.kind == "output_text":
            whole["logprobs"] = body["logprobs"]
        place = item.place()
        if not part.text_done:
            self.emit(_DONE_EVENT[part.kind], **place, **whole)
        self.emit(wire.PART_DONE, **place, part=body)

    def add_summary(self, item: OpenItem) -> None:
        """Open the next part of a reasoning item's summary."""
        place = item.summary_place(len(item.summary))
        self.emit(wire.SUMMARY_PART_ADDED, **place, part={"type": "summary_text", "text": ""})

    def close_summary(self, item: OpenItem, upto: int) -> None:
        """Say that the first `upto` parts of an item's summary are done."""
        for index in range(item.summary_done, upto):
            text, place = "".join(item.summary[index]), item.summary_place(index)
            self.emit(wire.SUMMARY_DONE, **place, text=text)
            self.emit(wire.SUMMARY_PART_DONE, **place, part={"type": "summary_text", "text": text})

    def close_item(self, item: OpenItem, status: str = "completed") -> None:
        """Say that the item is done."""
        self.close_part(item)
        self.close_summary(item, len(item.summary))
        body = item.body(status)
        if (call := wire.CALLS.get(body["type"])) and not item.call_done:
            named = {"name": body["name"]} if body["type"] == "function_call" else {}
            whole = {call.key: body[call.key]}
            self.emit(call.done, item_id=body["id"], output_index=item.output_index, **named, **whole)
        self.emit(wire.ITEM_DONE, output_index=item.output_index, item=body)

    def end(self, outcome: Outcome, number: int | None = None) -> None:
        """Close what is open, then emit the one terminal event, under `number` if the log was lost.

        In a turn that did not complete, the last open item is the one that was cut short.
        """
        items = [self.fold.open[index] for index in sorted(self.fold.open)]
        for item in items:
            cut = item is items[-1] and outcome.status is not Status.COMPLETED
            self.close_item(item, "incomplete" if cut else "completed")
        body = render_ended(self.fold.base, self.fold.output(), outcome)
        self.finish(_TERMINAL_EVENT[outcome.status], body, number)

    def finish(self, kind: str, body: ResponseBody, number: int | None = None) -> None:
        """Emit the terminal event, under `number` if one is given."""
        last = self.fold.last_number + 1 if number is None else number
        self._number(kind, last, {"response": body})

    def _number(self, kind: str, number: int, fields: dict[str, Any]) -> None:
        event = cast(Event, {"type": kind, "sequence_number": number, **fields})
        self.fold.apply(event)
        self._events.append(event)
