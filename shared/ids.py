"""Ids: a prefix that names the kind, then 24 random bytes in hex."""

import os
import re
import secrets
import socket
from typing import Final

RESPONSE: Final = "resp_"
CONVERSATION: Final = "conv_"

ITEM_PREFIXES: Final = {
    "additional_tools": "at_",
    "apply_patch_call": "apc_",
    "apply_patch_call_output": "apco_",
    "code_interpreter_call": "ci_",
    "compaction": "cmp_",
    "compaction_trigger": "cmpt_",
    "computer_call": "cu_",
    "computer_call_output": "cuo_",
    "configuration_update": "cfg_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "file_search_call": "fs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "image_generation_call": "ig_",
    "item_reference": "ref_",
    "local_shell_call": "lsh_",
    "local_shell_call_output": "lsho_",
    "mcp_approval_request": "mcpr_",
    "mcp_approval_response": "mcpa_",
    "mcp_call": "mcp_",
    "mcp_list_tools": "mcpl_",
    "message": "msg_",
    "program": "pg_",
    "program_output": "pgo_",
    "reasoning": "rs_",
    "shell_call": "sh_",
    "shell_call_output": "sho_",
    "tool_search_call": "ts_",
    "tool_search_output": "tso_",
    "web_search_call": "ws_",
}

_RESPONSE_ID = re.compile(r"resp_[0-9a-f]{48}")


def new_response_id() -> str:
    """A response id nobody can guess."""
    return RESPONSE + secrets.token_hex(24)


def new_conversation_id() -> str:
    """A conversation id nobody can guess."""
    return CONVERSATION + secrets.token_hex(24)


def new_item_id(item_type: str) -> str:
    """An item id with the prefix of its type; one that is not known yet gets a prefix of no type."""
    return ITEM_PREFIXES.get(item_type, "item_") + secrets.token_hex(24)


def new_call_id() -> str:
    """A call id, for upstreams that give their tool calls none."""
    return "call_" + secrets.token_hex(12)


def new_request_id() -> str:
    """An id for one HTTP request, sent back as `x-request-id`."""
    return "req_" + secrets.token_hex(16)


def new_api_key() -> str:
    """An API key: 6 random bytes by which it is found, 32 that nobody can guess."""
    return f"sk-ts-{secrets.token_hex(6)}-{secrets.token_urlsafe(32)}"


def new_webhook_endpoint_id() -> str:
    """A webhook endpoint's id nobody can guess."""
    return "we_" + secrets.token_hex(24)


def new_signing_key() -> bytes:
    """32 bytes to sign webhooks with."""
    return secrets.token_bytes(32)


def new_process_name() -> str:
    """A name for this process that no other has, not even one with its pid on this host later."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_response_id(value: str) -> bool:
    """Whether `value` has the exact form of an id made here."""
    return _RESPONSE_ID.fullmatch(value) is not None
