"""What a scripted native Responses server says: events as OpenAI sends them, under ids and numbers of its own."""

import json
from typing import Any

from tests.upstream_steps import Raw

Item = dict[str, Any]
SEARCH: Item = {
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "rain", "queries": ["rain"]},
}
USAGE = {
    "input_tokens": 5,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 12,
}


def event(kind: str, **fields: Any) -> Raw:
    """One event; `kind` is its type without `response.`."""
    data = {"type": f"response.{kind}", "sequence_number": 900, **fields}
    return Raw(f"event: response.{kind}\ndata: {json.dumps(data)}\n\n".encode())


def began() -> list[Raw]:
    """The beginning of an answer."""
    response = {"id": "resp_theirs", "object": "response", "status": "in_progress", "output": []}
    return [event("created", response=response), event("in_progress", response=response)]


def said(at: int, *pieces: str, citation: Item | None = None, **fields: Any) -> list[Raw]:
    """The events of a message that came in these pieces."""
    place = {"item_id": f"msg_theirs_{at}", "output_index": at, "content_index": 0}
    message = {"id": f"msg_theirs_{at}", "type": "message", "role": "assistant", **fields}
    annotations = [citation] if citation else []
    whole = {"type": "output_text", "text": "".join(pieces), "annotations": annotations, "logprobs": []}
    deltas = [event("output_text.delta", **place, delta=piece, logprobs=[], obfuscation="x") for piece in pieces]
    cited = [event("output_text.annotation.added", **place, annotation_index=0, annotation=citation)]
    done = message | {"status": "completed", "content": [whole]}
    return [
        event("output_item.added", output_index=at, item=message | {"status": "in_progress", "content": []}),
        event("content_part.added", **place, part=whole | {"text": "", "annotations": []}),
        *deltas,
        *(cited if citation else []),
        event("output_text.done", **place, text=whole["text"], logprobs=[]),
        event("content_part.done", **place, part=whole),
        event("output_item.done", output_index=at, item=done),
    ]


def searched(at: int) -> list[Raw]:
    """The events of a hosted web search."""
    call = SEARCH | {"id": f"ws_theirs_{at}"}
    steps = ("in_progress", "searching", "completed")
    return [
        event("output_item.added", output_index=at, item=call | {"status": "in_progress"}),
        *(event(f"web_search_call.{step}", item_id=call["id"], output_index=at) for step in steps),
        event("output_item.done", output_index=at, item=call),
    ]


def item(at: int, whole: Item) -> list[Raw]:
    """An item that begins and ends, with nothing told between."""
    theirs = whole | {"id": f"theirs_{at}"}
    return [event(f"output_item.{step}", output_index=at, item=theirs) for step in ("added", "done")]


def ended(status: str = "completed", **fields: Any) -> Raw:
    """The end of an answer."""
    response = {"id": "resp_theirs", "object": "response", "status": status, "output": [], "usage": USAGE, **fields}
    return event(status, response=response)


def answer(*events: list[Raw]) -> list[Raw]:
    """A whole answer of these items."""
    return [*began(), *(one for events_of_item in events for one in events_of_item), ended()]
