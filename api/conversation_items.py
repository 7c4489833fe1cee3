"""/v1/conversations/{id}/items: add, list, get, delete."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.conversations import find, rendered
from api.dependencies import INCLUDE, Owner, Runtime
from api.listing import PageQuery, listed
from api.request_body import read_as
from shared import ids
from shared.core.input_items import conversation_items
from shared.errors import NotFound, conversation_not_found
from shared.store import conversation_items as stored
from shared.store import conversations, references
from shared.store.engine import Connection
from shared.wire.items import Item
from shared.wire.requests import AddItems

router = APIRouter(prefix="/v1/conversations/{conversation_id}/items")


@router.post("", dependencies=[INCLUDE])
async def add(conversation_id: str, request: Request, runtime: Runtime, owner: Owner) -> Response:
    """Append up to 20 items, all or none."""
    body = await read_as(AddItems, request, runtime.settings.max_body_bytes)
    items = conversation_items(body.items, ids.new_item_id)
    added = await runtime.write(_add, owner, conversation_id, items)
    return listed(added, has_more=False)


@router.get("", dependencies=[INCLUDE])
async def list_items(conversation_id: str, runtime: Runtime, owner: Owner, page_request: PageQuery) -> Response:
    """The items, newest first unless asked otherwise."""
    await find(runtime, owner, conversation_id)
    page = await runtime.read(stored.page, owner, conversation_id, page_request)
    return listed([orjson.loads(item) for item in page.entries], page.has_more)


@router.get("/{item_id}", dependencies=[INCLUDE])
async def get(conversation_id: str, item_id: str, runtime: Runtime, owner: Owner) -> Response:
    """One item."""
    item = await runtime.read(stored.get, owner, conversation_id, item_id)
    if item is None:
        await find(runtime, owner, conversation_id)
        raise _item_not_found(item_id)
    return Response(item, media_type="application/json")


@router.delete("/{item_id}")
async def delete(conversation_id: str, item_id: str, runtime: Runtime, owner: Owner) -> Response:
    """Take an item out; the answer is the conversation."""
    removed = await runtime.write(stored.remove, owner, conversation_id, item_id)
    conversation = await find(runtime, owner, conversation_id)
    if not removed:
        raise _item_not_found(item_id)
    return rendered(conversation)


def _add(connection: Connection, owner: str, conversation_id: str, items: list[Item]) -> list[Item]:
    if not conversations.lock(connection, owner, conversation_id):
        raise conversation_not_found(conversation_id)
    references.check(connection, owner, items, "items")
    whole = references.resolve(connection, owner, items)
    stored.add(connection, owner, conversation_id, whole)
    return whole


def _item_not_found(item_id: str) -> NotFound:
    return NotFound(f"Item with id '{item_id[:80]}' not found.", param="item_id")
