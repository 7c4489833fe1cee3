"""What every stream obeys, however it ended: one checker, for any test and for any part of a stream.

Numbers without gap, `response.created` first, each thing done that was added, text as its deltas, what is done as the
final output has it, exactly one terminal event, the last.
"""

from collections.abc import Iterable
from typing import Any

from shared.wire.response import CALLS, LOST_NUMBER, TERMINAL_EVENTS

Event = dict[str, Any]

_PARTS = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "reasoning_text": "response.reasoning_text",
}
_DELTAS = {f"{name}.delta": part for part, name in _PARTS.items()}
_DONES = {f"{name}.done": part for part, name in _PARTS.items()}
_CALL_EVENTS = {kind for call in CALLS.values() for kind in (call.delta, call.done)}
_IN_OWN_WORDS = ("message", "reasoning", *CALLS)
_LASTING = ("id", "type", "call_id", "name", "namespace", "role")


class Item:
    """One output item as a reader has seen it so far."""

    def __init__(self, added: Event) -> None:
        self.added = added
        self.parts: list[Event] = []
        self.part: Event | None = None
        self.text = ""
        self.text_done = False
        self.arguments = ""
        self.call_done = False
        self.summary: list[str] = []
        self.summary_done = 0


class StreamRules:
    """Takes the events of one stream, one by one; a broken rule is an AssertionError that says which.

    `whole`: the stream begins at its beginning. Of a part of one, items whose beginning was not seen are passed over.
    `resumed`: it came over several connections, the last of which cannot know what was open when the log was lost.
    """

    def __init__(self, *, whole: bool = True, resumed: bool = False) -> None:
        self._whole = whole
        self._resumed = resumed
        self._last: int | None = None
        self._response_id: str | None = None
        self._items: dict[int, Item] = {}
        self._done: dict[int, Event] = {}
        self.ended = False

    def take(self, event: Event) -> None:
        kind = event["type"]
        assert not self.ended, f"{kind} after the terminal event"
        assert "error" not in event, "a top-level error makes SDKs raise"
        self._take_number(event)
        if "response" in event:
            self._take_response(event)
        elif kind == "response.output_item.added":
            self._add(event)
        elif kind == "response.output_item.done":
            self._end(event)
        elif (item := self._inside(event)) is not None:
            self._take_inside(item, event)

    def _take_number(self, event: Event) -> None:
        number = event["sequence_number"]
        if self._last is None:
            assert not self._whole or (number, event["type"]) == (0, "response.created"), event["type"]
        else:
            lost = number == LOST_NUMBER and event["type"] in TERMINAL_EVENTS
            assert lost or number == self._last + 1, f"{number} after {self._last}"
        self._last = number

    def _take_response(self, event: Event) -> None:
        body = event["response"]
        assert self._response_id in (None, body["id"]), "one stream is of one response"
        self._response_id = body["id"]
        if event["type"] not in TERMINAL_EVENTS:
            return
        self.ended = True
        left = sorted(self._items.keys() - self._done.keys())
        lost = event["sequence_number"] == LOST_NUMBER
        assert not left or (lost and self._resumed), f"items {left} were never done"
        if lost:
            return
        output = body["output"]
        for index, item in self._done.items():
            assert index < len(output), f"item {index} is not in the final output"
            assert item == output[index], f"item {index} was done otherwise than the final output has it"
        assert not self._whole or len(self._done) == len(output), "items of the final output were never announced"

    def _add(self, event: Event) -> None:
        index, item = event["output_index"], event["item"]
        assert not self._whole or index == len(self._items), "indexes are 0, 1, 2, …"
        assert index not in self._items, "an item is added once"
        if item["type"] in _IN_OWN_WORDS:
            assert item["status"] == "in_progress"
            assert item[CALLS[item["type"]].key if item["type"] in CALLS else "content"] in ("", [])
        self._items[index] = Item(item)

    def _inside(self, event: Event) -> Item | None:
        if "output_index" not in event:
            return None
        item = self._items.get(event["output_index"])
        assert item or not self._whole, f"{event['type']} before its item was added"
        if item is not None:
            assert event["output_index"] not in self._done, f"{event['type']} after its item was done"
            assert event["item_id"] == item.added["id"]
        return item

    def _end(self, event: Event) -> None:
        index, ended = event["output_index"], event["item"]
        item = self._items.get(index)
        assert item or not self._whole, "an item is added before it is done"
        assert index not in self._done, "an item is done once"
        self._done[index] = ended
        if item is None or ended["type"] not in _IN_OWN_WORDS:
            return
        assert item.part is None, "its parts are done first"
        assert all(ended.get(key) == item.added.get(key) for key in _LASTING)
        assert ended["status"] in ("completed", "incomplete")
        if call := CALLS.get(ended["type"]):
            assert item.call_done, "a call's text is done first"
            assert ended[call.key] == item.arguments
        else:
            assert ended.get("content", []) == item.parts
            assert item.summary_done == len(item.summary), "a summary's parts are done first"
            assert [part["text"] for part in ended.get("summary") or ()] == item.summary

    def _take_inside(self, item: Item, event: Event) -> None:
        kind = event["type"]
        if kind in _CALL_EVENTS:
            _take_call(item, event)
        elif kind.startswith("response.reasoning_summary_"):
            _take_summary(item, event)
        elif "content_index" in event and item.added["type"] in _IN_OWN_WORDS:
            _take_part(item, event)


def _take_call(item: Item, event: Event) -> None:
    call = CALLS[item.added["type"]]
    assert not item.call_done
    if event["type"] == call.delta:
        item.arguments += event["delta"]
        return
    assert event["type"] == call.done
    assert event[call.key] == item.arguments
    assert event.get("name", item.added["name"]) == item.added["name"]
    item.call_done = True


def _take_summary(item: Item, event: Event) -> None:
    index = event["summary_index"]
    match event["type"].removeprefix("response.reasoning_summary_"):
        case "part.added":
            assert index == len(item.summary)
            item.summary.append("")
        case "text.delta":
            assert item.summary_done <= index < len(item.summary)
            item.summary[index] += event["delta"]
        case "text.done":
            assert event["text"] == item.summary[index]
        case "part.done":
            assert event["part"]["text"] == item.summary[index]
            item.summary_done += 1


def _take_part(item: Item, event: Event) -> None:
    kind = event["type"]
    assert event["content_index"] == len(item.parts), "one part at a time, in order"
    if kind == "response.content_part.added":
        assert item.part is None, "one part at a time"
        assert event["part"].get("text", event["part"].get("refusal")) == ""
        assert event["part"].get("logprobs", []) == []
        item.part, item.text, item.text_done = event["part"], "", False
        return
    assert item.part is not None, f"{kind} before its part was added"
    if kind in _DELTAS:
        assert item.part["type"] == _DELTAS[kind]
        assert not item.text_done, "no delta after the text is done"
        assert ("logprobs" in event) is (item.part["type"] == "output_text")
        item.text += event["delta"]
    elif kind in _DONES:
        assert item.part["type"] == _DONES[kind]
        assert not item.text_done, "a text is done once"
        assert event.get("text", event.get("refusal")) == item.text, "the text is that of its deltas"
        item.text_done = True
    elif kind == "response.output_text.annotation.added":
        assert not item.text_done
    elif kind == "response.content_part.done":
        assert event["part"]["type"] == item.part["type"]
        assert item.text_done, "a part's text is done first"
        assert event["part"].get("text", event["part"].get("refusal")) == item.text
        item.parts.append(event["part"])
        item.part = None


def check_stream(events: Iterable[Any], *, whole: bool = True, resumed: bool = False) -> None:
    """A stream that was read to its end."""
    rules = StreamRules(whole=whole, resumed=resumed)
    for event in events:
        rules.take(event)
    assert rules.ended, "no terminal event"
