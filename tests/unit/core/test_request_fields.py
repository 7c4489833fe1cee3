"""The table of request fields covers all that the newest SDK can send, and the docs show it (S9, S12)."""

import re
from pathlib import Path

import pytest
from openai.types.responses.response_create_params import ResponseCreateParams
from sdk_examples import members, paths

from shared.core.compaction import COMPACTIONS
from shared.core.prompt import SENDABLE
from shared.wire.items import CONTENT_PARTS, TURN_ITEMS
from shared.wire.request_fields import REQUEST_FIELDS, Fate
from shared.wire.requests import CreateResponse

DOCS = Path(__file__).parents[3] / "docs" / "request-fields.md"

# Of these, the entry stands for all within.
WHOLE = {Fate.KEPT, Fate.IGNORED, Fate.REFUSED}

# The table says once what holds in several places.
SAME = (
    (r"^input\[(message|function_call_output|custom_tool_call_output)\]\.(content|output)\[", "content["),
    (r"^tools\[namespace\]\.tools\[", "tools["),
    (r"^tool_choice\[allowed_tools\]\.tools\b.*", "tool_choice[allowed_tools].tools"),
)


def entry(path: str) -> str:
    for pattern, told in SAME:
        path = re.sub(pattern, told, path)
    return path


# What callers know from Chat Completions.
BEYOND = {"content[input_audio]"}

SENT = sorted({entry(path) for body in members(ResponseCreateParams) for path in paths(body)})


def above(path: str) -> set[str]:
    """The path and all that it is within."""
    return {path[: found.start()] for found in re.finditer(r"[.\[]|$", path)}


def decided(path: str) -> bool:
    return path in REQUEST_FIELDS or any(
        over in REQUEST_FIELDS and REQUEST_FIELDS[over].fate in WHOLE for over in above(path)
    )


def test_the_fate_of_every_field_that_the_sdk_can_send_is_decided() -> None:
    """A new field of the SDK fails here until somebody has decided what becomes of it."""
    assert [path for path in SENT if not decided(path)] == []


def test_the_table_holds_nothing_that_the_sdk_cannot_send() -> None:
    assert [path for path in REQUEST_FIELDS if path not in SENT] == sorted(BEYOND)


@pytest.mark.parametrize("name", sorted(CreateResponse.model_fields))
def test_what_the_request_type_takes_in_is_not_refused(name: str) -> None:
    assert REQUEST_FIELDS[name].fate in (Fate.HONOURED, Fate.FORWARDED, Fate.KEPT)


def test_what_is_honoured_forwarded_or_kept_is_in_the_request_type() -> None:
    """What the type lacks would be set aside."""
    top = {name: field.fate for name, field in REQUEST_FIELDS.items() if name.isidentifier()}
    taken = {name for name, fate in top.items() if fate not in (Fate.IGNORED, Fate.REFUSED)}
    assert taken == set(CreateResponse.model_fields)


def test_the_items_and_parts_that_are_not_refused_are_those_a_turn_takes_in() -> None:
    def taken(prefix: str) -> set[str]:
        found = {path: re.fullmatch(rf"{prefix}\[(\w+)\]", path) for path in REQUEST_FIELDS}
        return {match[1] for path, match in found.items() if match and REQUEST_FIELDS[path].fate is not Fate.REFUSED}

    assert taken("input") == set(TURN_ITEMS) == SENDABLE | COMPACTIONS | {"item_reference"}
    assert taken("content") == set(CONTENT_PARTS) - {"text"}


def test_the_docs_show_the_table() -> None:
    """As the table of settings in the README does."""
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"| `{path}` | {field.fate} | {field.says} |" for path, field in REQUEST_FIELDS.items()]
