"""The OpenAPI document is complete and agrees with the published one: that allows our answers, we take its requests."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from api.main import create_app
from api.operations import OPERATIONS
from shared.settings import Settings
from shared.wire.answers import OutputHostedItem
from shared.wire.request_fields import REQUEST_FIELDS
from tests.unit.schema_comparison import Comparison, variants

APP = create_app(Settings())
OURS: dict[str, Any] = APP.openapi()
THEIRS: dict[str, Any] = json.loads((Path(__file__).parent / "openai_extract.json").read_text())


# What the published API does not have, and clients do not mind.
ANSWERS_BEYOND = {
    "Response.store: not known",
    "Response.presence_penalty: not known",
    "Response.frequency_penalty: not known",
    "Response.turnstone: not known",
    "CompactedConversation.output[]<compaction>.status: not known",
    "Response.usage: null is not allowed",
    "Response.output[]<custom_tool_call>.status: not known",
    "ItemPage.first_id: null is not allowed",
    "ItemPage.last_id: null is not allowed",
}
# Of these, the extract of the published API tells nothing; they pass as the model server made them.
HOSTED = tuple(f"Response.output[]<{kind}>" for kind in get_args(OutputHostedItem.model_fields["type"].annotation))
# What the published API takes and this server refuses by name.
REQUESTS_REFUSED = {
    # Files are not kept here: an image is its URL, a file its content.
    "<input_image>.image_url: may be missing",
    "<input_image>.image_url: null is not allowed",
    "<input_file>.file_data: may be missing",
    "<input_file>.file_data: null is not allowed",
    # A turn without a model is nobody's.
    "CreateResponse.model: may be missing",
    "CountInputTokens.model: may be missing",
    # An output without its call cannot be told to a model.
    "input[]<function_call_output>.call_id: may be missing",
    "input[]<function_call_output>.call_id: null is not allowed",
}


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def schema_of(content: dict[str, Any]) -> dict[str, Any]:
    return content.get("content", {}).get("application/json", {}).get("schema", {})


COMMON = [(operations(OURS)[name.replace(" ", " /v1", 1)], published) for name, published in operations(THEIRS).items()]


def test_every_route_is_described_and_nothing_else_is() -> None:
    assert operations(OURS).keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_refusal_is_told_in_the_envelope(name: str) -> None:
    refusals = {status: told for status, told in operations(OURS)[name]["responses"].items() if status != "200"}
    assert {"400", "500", "503"} <= refusals.keys()
    assert ("404" in refusals) or "{" not in name
    shapes = {schema_of(told)["$ref"].split("/")[-1] for told in refusals.values()}
    assert shapes == ({"ErrorEnvelope", "Readiness"} if name == "GET /readyz" else {"ErrorEnvelope"})


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(OURS)
    named = {piece.split('"')[0] for piece in text.split('"#/components/schemas/')[1:]}
    assert named <= OURS["components"]["schemas"].keys()
    assert "#/$defs/" not in text


def test_the_published_api_allows_what_is_answered() -> None:
    compared = Comparison(OURS, THEIRS)
    found: list[str] = []
    for ours, published in COMMON:
        answered = schema_of(ours["responses"]["200"])
        found += compared.differences(answered, schema_of(published["responses"]["200"]), name_of(answered))
    assert {one for one in found if not one.startswith(HOSTED)} == ANSWERS_BEYOND


def test_the_published_error_is_the_one_that_is_answered() -> None:
    error = OURS["components"]["schemas"]["ErrorBody"]
    assert set(error["required"]) == {"message", "type", "param", "code"}


def test_what_the_published_api_asks_is_taken() -> None:
    compared = Comparison(THEIRS, OURS)
    found: list[str] = []
    for ours, published in COMMON:
        taken = schema_of(ours.get("requestBody", {}))
        found += compared.differences(schema_of(published.get("requestBody", {})), taken, name_of(taken))
    assert {re.sub(r"^.*(?=<input_)|^.*(?=input\[\]<[^m])", "", one) for one in found} == REQUESTS_REFUSED


def test_every_published_field_of_a_turn_is_known_by_name() -> None:
    published = variants(THEIRS["components"]["schemas"]["CreateResponse"], THEIRS["components"]["schemas"])[0]
    known = OURS["components"]["schemas"]["CreateResponse"]["properties"].keys() | REQUEST_FIELDS.keys()
    assert published["properties"].keys() <= known


def test_queries_and_paths_have_the_published_names() -> None:
    # Answers are never padded.
    without_effect = {"include_obfuscation"}
    for ours, published in COMMON:
        names = [{told["name"] for told in one.get("parameters", [])} for one in (ours, published)]
        assert names[1] - names[0] <= without_effect


def name_of(schema: dict[str, Any]) -> str:
    return schema.get("$ref", "").split("/")[-1]
