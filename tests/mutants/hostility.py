"""What hostile clients are kept from: memory without bound, time without bound, a server that starts too open."""

from tests.mutants.safeguard import Safeguard

_SHAPES = "tests/unit/core/test_hostile_documents.py"
_BYTES = "tests/acceptance/test_hostile_bytes.py"
_ONE_COMPLAINT = f"{_SHAPES}::test_wrong_values_have_one_complaint"

HOSTILITY = (
    Safeguard(
        "a head has an end",
        "S9",
        "api/http_protocol.py",
        "if self._unfinished > MOST_HEAD_BYTES and",
        "if False and",
        (f"{_BYTES}::test_a_head_has_an_end",),
    ),
    Safeguard(
        "a body is not taken in when it says that it is too large",
        "S9",
        "api/request_body.py",
        'if int(request.headers.get("content-length", 0)) > max_bytes:',
        "if False:",
        (f"{_BYTES}::test_a_body_that_is_declared_too_large_is_refused_unread",),
    ),
    Safeguard(
        "a body holds so many values at most",
        "S9",
        "shared/core/json_document.py",
        "if _parts(body) > MAX_VALUES and",
        "if False and",
        (f"{_SHAPES}::test_a_body_holds_no_more_values_than_may_be",),
    ),
    Safeguard(
        "of wrong values in a list one is complained of",
        "S9",
        "shared/wire/items.py",
        "Field(fail_fast=True)",
        "Field(fail_fast=False)",
        (_ONE_COMPLAINT,),
    ),
    Safeguard(
        "labels are counted before they are looked at",
        "S9",
        "shared/wire/requests.py",
        "if isinstance(metadata, dict) and len(metadata) > MOST_LABELS:",
        "if False:",
        (_ONE_COMPLAINT,),
    ),
    Safeguard(
        "a turn has so many tools at most",
        "S9",
        "shared/core/tool_rules.py",
        "    if count > MAX_TOOLS:\n",
        "    if False:\n",
        (f"{_SHAPES}::test_there_are_no_more_tools_than_may_be",),
    ),
)
