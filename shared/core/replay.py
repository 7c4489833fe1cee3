"""A stored Response as a stream, for turns whose own events were never journalled."""

from typing import Any

from shared.core.emission import Emission
from shared.core.response_fold import ResponseFold
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


def replay(turn: Turn, stored: ResponseBody) -> list[Event]:
    """Events that fold to `stored`: each part as one delta."""
    lifecycle = lifecycle_events(turn)
    emission = Emission(ResponseFold.of(lifecycle))
    for item in stored["output"]:
        _replay_item(emission, item)
    kind = _TERMINAL_EVENT.get(stored["status"], wire.FAILED)
    emission.emit(kind, response=stored)
    return lifecycle + emission.take()


def _replay_item(emission: Emission, item: Item) -> None:
    call = wire.CALLS.get(item["type"])
    empty: Item = {call.key: ""} if call else {"content": []} if "content" in item else {}
    opened = emission.add_item(item | {"status": "in_progress"} | empty)
    if call:
        emission.emit(call.delta, item_id=item["id"], output_index=opened.output_index, delta=item[call.key])
    for part in item.get("content") or ():
        _replay_part(emission, part, opened.place())
        emission.close_part(opened)
    emission.close_item(opened, item["status"])


def _replay_part(emission: Emission, part: dict[str, Any], place: dict[str, object]) -> None:
    kind = str(part["type"])
    key = "refusal" if kind == "refusal" else "text"
    empty = part | {key: ""} | ({"logprobs": [], "annotations": []} if kind == "output_text" else {})
    emission.emit(wire.PART_ADDED, **place, part=empty)
    logprobs = {"logprobs": part["logprobs"]} if kind == "output_text" else {}
    emission.emit(_DELTA_EVENT[kind], **place, delta=part[key], **logprobs)
    for number, annotation in enumerate(part.get("annotations") or ()):
        emission.emit(wire.ANNOTATION_ADDED, **place, annotation_index=number, annotation=annotation)
