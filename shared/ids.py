"""Ids: a prefix that names the kind, then 24 random bytes in hex."""

import re
import secrets
from typing import Final

RESPONSE: Final = "resp_"
CONVERSATION: Final = "conv_"

ITEM_PREFIXES: Final = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
}

_RESPONSE_ID = re.compile(r"resp_[0-9a-f]{48}")


def new_response_id() -> str:
    """A response id nobody can guess."""
    return RESPONSE + secrets.token_hex(24)


def new_item_id(item_type: str) -> str:
    """An item id with the prefix of its type; types without one of their own get `item_`."""
    return ITEM_PREFIXES.get(item_type, "item_") + secrets.token_hex(24)


def new_call_id() -> str:
    """A call id, for upstreams that give their tool calls none."""
    return "call_" + secrets.token_hex(12)


def new_request_id() -> str:
    """An id for one HTTP request, sent back as `x-request-id`."""
    return "req_" + secrets.token_hex(16)


def is_response_id(value: str) -> bool:
    """Whether `value` has the exact form of an id made here."""
    return _RESPONSE_ID.fullmatch(value) is not None
