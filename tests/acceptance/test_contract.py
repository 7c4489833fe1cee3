"""Whatever is asked of any path, the answer is one that the OpenAPI document tells of, and no server error."""

import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import OpenAI
from pydantic import TypeAdapter

from api.main import create_app
from api.operations import OPERATIONS
from shared.settings import Settings
from shared.wire.answers import ErrorEnvelope
from tests.acceptance.fuzzed_values import FIELDS, contents, text
from tests.stack import Stack

EXAMPLES = 300
DOCUMENT = create_app(Settings()).openapi()["paths"]
# What is passed on is for the model's server to judge, and this one follows a script.
ASKED = sorted(OPERATIONS.keys() - {"POST /v1/chat/completions", "POST /v1/embeddings"})

queries = st.dictionaries(
    st.sampled_from(["after", "limit", "order", "stream", "starting_after", "status", "conversation", "metadata[a]"]),
    st.sampled_from(["", "1", "100", "-1", "true", "false", "asc", "completed", "x"]) | text,
    max_size=3,
)
odd_ids = st.sampled_from(["x", "resp_" + "0" * 48, "conv_x", "m", "%20", "é"])


@pytest.mark.made_up
@pytest.mark.timeout(300)
def test_every_answer_is_one_that_is_documented(stack: Stack, client: OpenAI) -> None:
    response = client.responses.create(model="m", input="known", background=True)
    conversation = client.conversations.create(items=[{"type": "message", "role": "user", "content": "known"}])
    ids = st.sampled_from([response.id, conversation.id]) | odd_ids
    fields = st.dictionaries(st.sampled_from(FIELDS) | text, st.sampled_from(contents(EXAMPLES // 4)), max_size=5)
    bodies = fields.map(lambda given: {"model": "m", "input": "x"} | given)
    base_url = stack.url().removesuffix("/v1")
    with httpx2.Client(base_url=base_url, timeout=30) as http:

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(ASKED), ids, ids, queries, bodies)
        def law(name: str, one: str, other: str, query: dict[str, str], body: dict[str, Any]) -> None:
            method, path = name.split()
            asked = path.replace("{item_id}", other)
            for place in ("{response_id}", "{conversation_id}", "{model}", "{webhook_endpoint_id}"):
                asked = asked.replace(place, one)
            content = json.dumps(body | {"background": True, "stream": False}) if OPERATIONS[name].body else None
            check(name, http.request(method, asked, params=query, content=content))

        law()


def check(name: str, answer: httpx2.Response) -> None:
    method, path = name.split()
    documented = DOCUMENT[path][method.lower()]["responses"]
    assert str(answer.status_code) in documented, (name, answer.text[:200])
    assert answer.status_code < 500 or path == "/readyz", (name, answer.text[:200])
    kind = answer.headers["content-type"].split(";")[0]
    assert kind in documented[str(answer.status_code)]["content"]
    shape = ErrorEnvelope if answer.status_code >= 400 else OPERATIONS[name].answer
    if kind == "application/json" and shape:
        TypeAdapter(shape).validate_json(answer.content, strict=True)
