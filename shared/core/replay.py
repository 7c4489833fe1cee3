"""A stored Response as the events that lead to it: from the beginning, or on from what a reader has seen."""

from typing import Any

from shared.core.emission import Emission
from shared.core.response_fold import UNSAID, OpenItem, ResponseFold
from shared.core.response_render import lifecycle_events
from shared.core.turn import Turn
from shared.wire import response as wire
from shared.wire.items import Item
from shared.wire.response import Event, ResponseBody

_DELTA_EVENT = {
    "output_text": wire.TEXT_DELTA,
    "refusal": wire.REFUSAL_DELTA,
    "reasoning_text": wire.REASONING_DELTA,
}
_TERMINAL_EVENT = {"completed": wire.COMPLETED, "incomplete": wire.INCOMPLETE}
_LASTING = ("id", "type", "call_id", "name", "namespace")


def replay(turn: Turn, stored: ResponseBody) -> list[Event]:
    """Events that fold to `stored`: each part as one delta."""
    lifecycle = lifecycle_events(turn)
    return lifecycle + continued(ResponseFold.of(lifecycle), stored)


def continued(seen: ResponseFold, stored: ResponseBody, number: int | None = None) -> list[Event]:
    """The events from what a reader has seen to the end; the terminal one under `number`, if it is given.

    Items that were begun go on where they stand, and are closed as they are where `stored` says something else of them.
    """
    emission = Emission(seen)
    for index, item in enumerate(stored["output"]):
        if opened := seen.open.get(index):
            _go_on(emission, opened, item)
        elif index >= seen.next_output_index:
            _replay_item(emission, item)
    for index in sorted(seen.open):
        emission.close_item(seen.open[index], "incomplete")
    kind = _TERMINAL_EVENT.get(stored["status"], wire.FAILED)
    emission.finish(kind, stored, number)
    return emission.take()


def _replay_item(emission: Emission, item: Item) -> None:
    opened = emission.add_item(item | {"status": "in_progress"} | UNSAID.get(item["type"], {}))
    _go_on(emission, opened, item)


def _go_on(emission: Emission, opened: OpenItem, item: Item) -> None:
    """Say what is missing of an item, and close it."""
    if any(opened.item.get(key) != item.get(key) for key in _LASTING):
        emission.close_item(opened, "incomplete")
        return
    if call := wire.CALLS.get(item["type"]):
        _say(emission, call.delta, _place(opened), "".join(opened.arguments), item[call.key])
    _go_on_summary(emission, opened, item)
    for part in (item.get("content") or ())[len(opened.parts) :] if item["type"] in UNSAID else ():
        if not _go_on_part(emission, opened, part):
            break
    opened.item = item | {key: opened.item[key] for key in _LASTING if key in opened.item}
    emission.close_item(opened, item["status"])


def _go_on_summary(emission: Emission, opened: OpenItem, item: Item) -> None:
    for index, part in enumerate(item.get("summary") or ()):
        if index == len(opened.summary):
            emission.add_summary(opened)
        if index >= opened.summary_done:
            said = "".join(opened.summary[index])
            _say(emission, wire.SUMMARY_DELTA, opened.summary_place(index), said, part["text"])
            emission.close_summary(opened, index + 1)


def _go_on_part(emission: Emission, opened: OpenItem, part: dict[str, Any]) -> bool:
    """Say what is missing of the next part, and close it; False when something else was seen in its place."""
    kind = str(part["type"])
    if opened.part is None:
        emission.add_part(opened, kind)
    if opened.part is None or opened.part.kind != kind:
        return False
    place, seen = opened.place(), opened.part
    key = "refusal" if kind == "refusal" else "text"
    logprobs = {"logprobs": part["logprobs"][len(seen.logprobs) :]} if kind == "output_text" else {}
    whole = _say(emission, _DELTA_EVENT[kind], place, seen.text(), part[key], **logprobs)
    known = len(seen.annotations)
    for number, annotation in enumerate((part.get("annotations") or ())[known:], start=known):
        emission.emit(wire.ANNOTATION_ADDED, **place, annotation_index=number, annotation=annotation)
    emission.close_part(opened)
    return whole


def _say(emission: Emission, kind: str, place: dict[str, Any], said: str, whole: str, **more: Any) -> bool:
    """The rest of a text as one delta; False when what was said is not its beginning."""
    if not whole.startswith(said):
        return False
    if rest := whole[len(said) :]:
        emission.emit(kind, **place, delta=rest, **more)
    return True


def _place(opened: OpenItem) -> dict[str, Any]:
    return {"item_id": opened.item["id"], "output_index": opened.output_index}
