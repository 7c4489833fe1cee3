"""/v1/responses/compact: a conversation as its user's messages and a sealed summary, to be given as the next input."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import turn_creation
from api.caller import while_connected
from api.dependencies import Admitted, Runtime
from api.json_response import Json
from api.request_body import read_as
from api.runtime import ApiRuntime
from api.turn_creation import Creation
from shared import clock, ids
from shared.core.compaction import compaction_item, kept
from shared.core.response_render import usage_body
from shared.upstream import failures
from shared.upstream.summary import Summary, summarize
from shared.wire.items import Item
from shared.wire.requests import CompactConversation

router = APIRouter(prefix="/v1/responses")


@router.post("/compact")
async def compact(request: Request, runtime: Runtime, caller: Admitted) -> Response:
    """Have the model summarize the input, with all that it goes on from; nothing is stored."""
    body = await read_as(CompactConversation, request, runtime.settings.max_body_bytes)
    runtime.summaries.require()
    creation = turn_creation.prepare(runtime, caller, body)
    with runtime.streams.holding(caller.owner):
        items = await turn_creation.rehearse(runtime, creation)
        summary = await while_connected(request, _summarize(runtime, creation, items))
    sealed = compaction_item(ids.new_item_id("compaction"), runtime.summaries.close(caller.owner, summary.text))
    return Json(_answer([*map(_listed, kept(items)), sealed], summary))


async def _summarize(runtime: ApiRuntime, creation: Creation, items: list[Item]) -> Summary:
    asked = creation.turn.request
    try:
        async with asyncio.timeout(runtime.settings.turn_seconds):
            return await summarize(runtime.upstreams.of(asked["model"]), asked, items)
    except TimeoutError:
        raise failures.stalled() from None


def _answer(output: list[Item], summary: Summary) -> dict[str, Any]:
    return {
        "id": ids.new_response_id(),
        "object": "response.compaction",
        "created_at": int(clock.now()),
        "output": output,
        "usage": usage_body(*summary.usage),
    }


def _listed(message: Item) -> Item:
    """A message under an id of its own: given back as input, it is another item than the one it repeats."""
    return message | {"id": ids.new_item_id("message")}
