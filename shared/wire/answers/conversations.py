"""Conversations and the items in them."""

from typing import Literal

from shared.wire.answers.base import Answer, Page
from shared.wire.items import Open
from shared.wire.requests import Metadata


class Conversation(Answer):
    """A conversation, without its items."""

    id: str
    object: Literal["conversation"]
    created_at: int
    metadata: Metadata


class ConversationPage(Page):
    """Conversations."""

    data: list[Conversation]


class DeletedConversation(Answer):
    """A conversation that was deleted."""

    id: str
    object: Literal["conversation.deleted"]
    deleted: Literal[True]


class ListedItem(Open):
    """An item as it was brought or made."""

    type: str
    id: str
    status: str


class ItemPage(Page):
    """Items."""

    data: list[ListedItem]
