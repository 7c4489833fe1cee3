"""The tables. JSON documents are kept as text: they go out as they came in, and nothing queries into them."""

from shared.store.tables.callers import API_KEY, IDEMPOTENCY
from shared.store.tables.columns import METADATA
from shared.store.tables.labels import CONVERSATION_LABEL, RESPONSE_LABEL
from shared.store.tables.processes import API_PROCESS, WORKER_PROCESS
from shared.store.tables.turns import CONVERSATION, IS_ACTIVE, IS_HELD_BACK, IS_TOOL_ITEM, ITEM, JOURNAL, RESPONSE
from shared.store.tables.webhooks import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT

__all__ = [
    "API_KEY",
    "API_PROCESS",
    "CONVERSATION",
    "CONVERSATION_LABEL",
    "IDEMPOTENCY",
    "IS_ACTIVE",
    "IS_HELD_BACK",
    "IS_TOOL_ITEM",
    "ITEM",
    "JOURNAL",
    "METADATA",
    "RESPONSE",
    "RESPONSE_LABEL",
    "WEBHOOK_DELIVERY",
    "WEBHOOK_ENDPOINT",
    "WORKER_PROCESS",
]
