"""/v1/conversations: create, get, update, delete, list."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import Owner, Runtime
from api.idempotency import IdempotencyKey, key_of
from api.json_response import Json
from api.listing import Labels, PageQuery, listed
from api.request_body import read_as
from api.runtime import ApiRuntime
from shared import clock, ids
from shared.core.input_items import conversation_items
from shared.errors import conversation_not_found
from shared.store import conversation_items as stored_items
from shared.store import conversations, idempotency, references
from shared.store.conversations import Conversation
from shared.store.engine import Connection
from shared.wire.items import Item
from shared.wire.requests import CreateConversation, UpdateConversation

router = APIRouter(prefix="/v1/conversations")


@router.post("")
async def create(request: Request, runtime: Runtime, owner: Owner) -> Response:
    """Make a conversation, with up to 20 items to begin with."""
    body = await read_as(CreateConversation, request, runtime.settings.max_body_bytes, optional=True)
    items = conversation_items(body.items, ids.new_item_id)
    conversation = Conversation(ids.new_conversation_id(), int(clock.now()), body.metadata or {})
    made = await runtime.write(_create, owner, conversation, items, key_of(request, body))
    return rendered(conversation if made is None else await find(runtime, owner, made))


@router.get("")
async def list_conversations(runtime: Runtime, owner: Owner, page_request: PageQuery, labels: Labels) -> Response:
    """The caller's conversations, newest first unless asked otherwise."""
    page = await runtime.read(conversations.page, owner, page_request, labels)
    return listed([_body(conversation) for conversation in page.entries], page.has_more)


@router.get("/{conversation_id}")
async def get(conversation_id: str, runtime: Runtime, owner: Owner) -> Response:
    """A conversation, without its items."""
    return rendered(await find(runtime, owner, conversation_id))


@router.post("/{conversation_id}")
async def update(conversation_id: str, request: Request, runtime: Runtime, owner: Owner) -> Response:
    """Replace a conversation's metadata."""
    body = await read_as(UpdateConversation, request, runtime.settings.max_body_bytes)
    await runtime.write(conversations.set_metadata, owner, conversation_id, body.metadata or {})
    return rendered(await find(runtime, owner, conversation_id))


@router.delete("/{conversation_id}")
async def delete(conversation_id: str, runtime: Runtime, owner: Owner) -> Response:
    """Delete a conversation; items that are in a response stay there."""
    if not await runtime.write(conversations.remove, owner, conversation_id):
        raise conversation_not_found(conversation_id)
    return Json({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


async def find(runtime: ApiRuntime, owner: str, conversation_id: str) -> Conversation:
    """A conversation of this owner; raises NotFound for any other id."""
    conversation = await runtime.read(conversations.get, owner, conversation_id)
    if conversation is None:
        raise conversation_not_found(conversation_id)
    return conversation


def rendered(conversation: Conversation) -> Response:
    """A conversation as the answer."""
    return Json(_body(conversation))


def _create(
    connection: Connection, owner: str, conversation: Conversation, items: list[Item], key: IdempotencyKey | None
) -> str | None:
    """Store the conversation; the id of the one that the key has made already, if it has."""
    made = key and idempotency.claim(connection, owner, key.key, key.digest, conversation.id)
    if made:
        return made
    references.check(connection, owner, items, "items")
    items = references.resolve(connection, owner, items)
    conversations.create(connection, owner, conversation)
    stored_items.add(connection, owner, conversation.id, items)
    return None


def _body(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": conversation.created_at,
        "metadata": conversation.metadata,
    }
