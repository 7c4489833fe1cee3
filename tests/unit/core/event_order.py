"""The ordering rules of a response stream, as one check used by several laws."""

from collections.abc import Sequence
from typing import Any

from shared.wire.response import CALLS, TERMINAL_EVENTS, Event

_PART_OF_DELTA = {
    "response.output_text.delta": "output_text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning_text",
}
_PART_OF_DONE = {kind.removesuffix("delta") + "done": part for kind, part in _PART_OF_DELTA.items()}


class _Checker:
    def __init__(self) -> None:
        self.added: list[dict[str, Any]] = []
        self.done: dict[int, dict[str, Any]] = {}
        self.parts: dict[int, list[dict[str, Any]]] = {}
        self.open_part: dict[int, str | None] = {}
        self.text_done: set[tuple[int, int]] = set()

    def item_added(self, event: Event) -> None:
        item = event["item"]
        assert event["output_index"] == len(self.added), "indexes are 0, 1, 2, …"
        assert item["status"] == "in_progress"
        assert item[CALLS[item["type"]].key if item["type"] in CALLS else "content"] in ("", [])
        self.parts[len(self.added)] = []
        self.open_part[len(self.added)] = None
        self.added.append(item)

    def item_done(self, event: Event) -> None:
        index, item = event["output_index"], event["item"]
        assert index not in self.done, "an item is done once"
        assert self.open_part[index] is None, "its parts are done first"
        for key in ("id", "type", "call_id", "name", "namespace", "role"):
            assert item.get(key) == self.added[index].get(key)
        assert item["status"] in ("completed", "incomplete")
        assert item.get("content", []) == self.parts[index]
        self.done[index] = item

    def inside_item(self, event: Event) -> int:
        index = event["output_index"]
        assert index < len(self.added), "the item is added first"
        assert index not in self.done
        assert event["item_id"] == self.added[index]["id"]
        return index

    def part_event(self, event: Event) -> None:
        index, kind = self.inside_item(event), event["type"]
        assert event["content_index"] == len(self.parts[index]), "one part at a time, in order"
        if kind == "response.content_part.added":
            assert self.open_part[index] is None
            assert event["part"].get("text", event["part"].get("refusal")) == ""
            assert event["part"].get("logprobs", []) == []
            self.open_part[index] = event["part"]["type"]
            return
        part = self.open_part[index]
        assert part is not None, "the part is added first"
        place = (index, event["content_index"])
        if kind in _PART_OF_DELTA:
            assert part == _PART_OF_DELTA[kind]
            assert place not in self.text_done
            assert ("logprobs" in event) is (part == "output_text")
        elif kind == "response.output_text.annotation.added":
            assert part == "output_text"
            assert place not in self.text_done
        elif kind in _PART_OF_DONE:
            assert part == _PART_OF_DONE[kind]
            self.text_done.add(place)
        else:
            assert kind == "response.content_part.done"
            assert event["part"]["type"] == part
            assert place in self.text_done
            self.parts[index].append(dict(event["part"]))
            self.open_part[index] = None

    def call_event(self, event: Event) -> None:
        item = self.added[self.inside_item(event)]
        assert event["type"] in (CALLS[item["type"]].delta, CALLS[item["type"]].done)
        assert event.get("name", item["name"]) == item["name"]


def assert_ordered(log: Sequence[Event]) -> None:
    """The whole log of a turn, lifecycle to terminal event, obeys the rules an SDK relies on."""
    checker = _Checker()
    ids = {event["response"]["id"] for event in log if "response" in event}
    assert len(ids) == 1
    assert not any("error" in event for event in log), "a top-level error makes SDKs raise"
    for event in log:
        kind = event["type"]
        if kind == "response.output_item.added":
            checker.item_added(event)
        elif kind == "response.output_item.done":
            checker.item_done(event)
        elif kind.startswith(("response.function_call_arguments.", "response.custom_tool_call_input.")):
            checker.call_event(event)
        elif kind.startswith("response.reasoning_summary_"):
            checker.inside_item(event)
        elif "response" not in event:
            checker.part_event(event)
    assert log[-1]["type"] in TERMINAL_EVENTS
    assert [checker.done[index] for index in range(len(checker.added))] == log[-1]["response"]["output"]
