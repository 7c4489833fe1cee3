"""What an accepted request must obey, and what of it is set aside (S9, G26)."""

from typing import Any

import pytest
from core_examples import turn
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import near, values
from pydantic import ValidationError
from response_shape import assert_shape

from shared.core.input_items import invalid_field
from shared.core.native_request import native_request
from shared.core.prompt import chat_request
from shared.core.request_rules import MAX_UNKNOWN_FIELDS, Accepted, Policy, accept
from shared.core.response_render import render
from shared.core.turn_status import Status
from shared.errors import InvalidRequest
from shared.wire.request_fields import Fate, fields_with
from shared.wire.requests import CreateResponse

law = settings(deadline=None, max_examples=150)

IGNORED, REFUSED = (
    sorted(path for path in fields_with(fate) if path.isidentifier()) for fate in (Fate.IGNORED, Fate.REFUSED)
)
FUNCTION = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}
CUSTOM = {"type": "custom", "name": "shell"}
NAMESPACE = {"type": "namespace", "name": "crm", "description": "d", "tools": [FUNCTION, CUSTOM]}
MINIMAL = {"model": "stub", "input": "Hi"}
SET_ASIDE = Policy()


def accepted(fields: dict[str, Any], policy: Policy = SET_ASIDE) -> Accepted:
    """A request as the API takes it in: shape first, then the rules; one kind of refusal."""
    try:
        body = CreateResponse.model_validate(fields)
    except ValidationError as error:
        raise invalid_field(error) from None
    return accept(body, policy)


def refusal(fields: dict[str, Any], policy: Policy = SET_ASIDE) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        accepted(MINIMAL | fields, policy)
    return refused.value


def test_the_set_fields_are_stored_less_input() -> None:
    fields = {"instructions": "Be brief.", "temperature": 1, "stream": True, "metadata": {"a": "b"}, "top_p": None}
    assert accepted(MINIMAL | fields | {"stream_options": {"include_obfuscation": False}}) == Accepted(
        {"model": "stub", "instructions": "Be brief.", "temperature": 1.0, "stream": True, "metadata": {"a": "b"}}, ()
    )


def test_a_schema_is_kept_to_the_letter() -> None:
    """Nulls inside it are the caller's, not unset fields of ours."""
    form = {"type": "json_schema", "name": "n", "schema": {"enum": [None], "default": None}}
    assert accepted(MINIMAL | {"text": {"format": form}}).request["text"] == {"format": form}


@pytest.mark.parametrize("name", REFUSED)
def test_known_fields_we_cannot_honour_are_refused_by_name(name: str) -> None:
    refused = refusal({name: {"id": "x"}})
    assert (refused.code, refused.param) == ("unsupported_parameter", name)


@pytest.mark.parametrize("name", REFUSED + IGNORED)
def test_null_is_unset(name: str) -> None:
    assert accepted(MINIMAL | {name: None}) == Accepted({"model": "stub"}, ())


@pytest.mark.parametrize("name", [*IGNORED, "client_metadata", "top_k", "max_tokens", "messages", "seed", "x" * 300])
def test_harmless_fields_are_ignored_and_say_so(name: str) -> None:
    assert accepted(MINIMAL | {name: 1}) == Accepted({"model": "stub"}, (name,))


@pytest.mark.parametrize(
    ("fields", "param", "hint"),
    [
        ({"temprature": 1}, "temprature", "temperature"),
        ({"instruction": "x"}, "instruction", "instructions"),
        ({"previous_responce_id": "x"}, "previous_responce_id", "previous_response_id"),
        ({"max_output_token": 16}, "max_output_token", "max_output_tokens"),
        ({"conversations": "x"}, "conversations", "conversation"),
        ({"reasoning": {"efort": "low"}}, "reasoning.efort", "reasoning.effort"),
        ({"tools": [FUNCTION | {"parametres": {}}]}, "tools[0].parametres", "tools[0].parameters"),
        ({"text": {"fromat": {}}}, "text.fromat", "text.format"),
        (
            {"text": {"format": {"type": "json_schema", "shema": {}, "name": "n", "schema": {}}}},
            "text.format.shema",
            "text.format.schema",
        ),
    ],
)
def test_a_misspelt_field_is_refused_with_a_hint(fields: dict[str, Any], param: str, hint: str) -> None:
    refused = refusal(fields)
    assert (refused.code, refused.param) == ("unknown_parameter", param)
    assert refused.message == f"Unknown parameter: '{param}'. Did you mean '{hint}'?"


def test_unknown_fields_inside_objects_are_listed_too() -> None:
    fields = {"reasoning": {"context": "auto"}, "text": {"format": {"type": "text", "odd": 1}}}
    assert accepted(MINIMAL | fields).ignored == ("text.format.odd", "reasoning.context")


def test_known_fields_without_effect_are_listed_where_they_are_set() -> None:
    fields = {
        "reasoning": {"effort": "low", "summary": "auto"},
        "stream_options": {"include_obfuscation": True},
        "tools": [FUNCTION, FUNCTION | {"name": "b", "defer_loading": True, "output_schema": {}, "odd": 1}],
    }
    assert accepted(MINIMAL | fields).ignored == (
        "stream_options.include_obfuscation",
        "reasoning.summary",
        "tools[1].defer_loading",
        "tools[1].odd",
        "tools[1].output_schema",
    )
    assert accepted(MINIMAL | {"stream_options": {"include_obfuscation": False}}).ignored == ()


def test_a_policy_may_refuse_unknown_fields() -> None:
    refused = refusal({"client_metadata": {}}, Policy(reject_unknown_fields=True))
    assert (refused.code, refused.param) == ("unknown_parameter", "client_metadata")
    assert accepted(MINIMAL | {"image": {}}, Policy(reject_unknown_fields=True)).ignored == ("image",)


def test_the_number_of_unknown_fields_is_bounded() -> None:
    """G26: each is compared with every known one."""
    many = {f"x{number:04}": 1 for number in range(MAX_UNKNOWN_FIELDS)}
    assert len(accepted(MINIMAL | many).ignored) == MAX_UNKNOWN_FIELDS
    assert refusal(many | {"one_more": 1}).code == "unknown_parameter"
    assert refusal(many | {"tools": [FUNCTION | {"one_more": 1}]}).code == "unknown_parameter"


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", "missing_required_parameter"),
        ({"model": "a\nb"}, "model", "invalid_value"),
        ({"model": 7}, "model", "invalid_type"),
        ({"input": {"role": "user"}}, "input", "invalid_type"),
        ({"stream": "true"}, "stream", "invalid_type"),
        ({"stream": 1}, "stream", "invalid_type"),
        ({"temperature": "1"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"temperature": 2.1}, "temperature", "invalid_value"),
        ({"temperature": 10**400}, "temperature", "invalid_type"),
        ({"top_p": -0.1}, "top_p", "invalid_value"),
        ({"max_output_tokens": 15}, "max_output_tokens", "invalid_value"),
        ({"max_output_tokens": 10**400}, "max_output_tokens", "invalid_value"),
        ({"max_output_tokens": 16.0}, "max_output_tokens", "invalid_type"),
        ({"top_logprobs": 21}, "top_logprobs", "invalid_value"),
        ({"top_logprobs": 1}, "top_logprobs", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "invalid_value"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "invalid_value"),
        ({"service_tier": "gold"}, "service_tier", "invalid_value"),
        ({"include": ["poems"]}, "include[0]", "invalid_value"),
        ({"include": [7]}, "include[0]", "invalid_value"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "invalid_value"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name", "missing_required_parameter"),
        (
            {"text": {"format": {"type": "json_schema", "name": "n"}}},
            "text.format.schema",
            "missing_required_parameter",
        ),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": [FUNCTION, 7]}, "tools[1]", "invalid_type"),
        ({"tools": [{}]}, "tools[0].type", "missing_required_parameter"),
        ({"tools": [FUNCTION, {"type": "function"}]}, "tools[1].name", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": FUNCTION}]}, "tools[0].name", "missing_required_parameter"),
        ({"tools": [FUNCTION | {"name": "a b"}]}, "tools[0].name", "invalid_value"),
        ({"tools": [FUNCTION | {"strict": "yes"}]}, "tools[0].strict", "invalid_type"),
        ({"tools": [CUSTOM | {"name": None}]}, "tools[0].name", "invalid_type"),
        ({"tools": [CUSTOM | {"format": {"type": "xml"}}]}, "tools[0].format.type", "invalid_value"),
        (
            {"tools": [CUSTOM | {"format": {"type": "grammar", "syntax": "lark"}}]},
            "tools[0].format.definition",
            "missing_required_parameter",
        ),
        ({"tools": [NAMESPACE | {"tools": []}]}, "tools[0].tools", "invalid_value"),
        (
            {"tools": [NAMESPACE | {"tools": [{"type": "custom"}]}]},
            "tools[0].tools[0].name",
            "missing_required_parameter",
        ),
        ({"tools": [NAMESPACE, {"type": "function", "name": "crm__look_up"}]}, "tools", "invalid_value"),
        ({"tools": [CUSTOM, FUNCTION | {"name": "shell"}]}, "tools", "invalid_value"),
        ({"tools": [CUSTOM], "tool_choice": {"type": "function", "name": "shell"}}, "tool_choice", "invalid_value"),
        ({"tool_choice": "any"}, "tool_choice", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "function", "name": "other"}}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "function", "name": ["look_up"]}}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto"}}, "tool_choice", "invalid_value"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [7]}},
            "tool_choice.tools",
            "invalid_type",
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": {}}]}},
            "tool_choice.tools[0]",
            "invalid_value",
        ),
    ],
)
def test_bad_values_are_refused_by_name(fields: dict[str, Any], param: str, code: str) -> None:
    """S9: the field is named, its value is not repeated."""
    refused = refusal(fields)
    assert (refused.param, refused.code) == (param, code)


def test_a_refusal_repeats_neither_values_nor_long_names() -> None:
    """I2: error texts hold no prompt."""
    assert "canary" not in repr(refusal({"instructions": {"canary": "canary"}}))
    assert len(repr(refusal({"metadata": {"k" * 100_000: "v"}}))) < 1000


def test_a_follow_up_needs_no_input() -> None:
    fields = {"model": "stub", "previous_response_id": "resp_1"}
    assert accepted(fields) == Accepted(fields, ())


def test_what_the_model_server_cannot_include_is_left_out() -> None:
    include = ["reasoning.encrypted_content", "message.output_text.logprobs", "file_search_call.results"]
    given = MINIMAL | {"include": include}
    assert accepted(given).ignored == ("include:reasoning.encrypted_content", "include:file_search_call.results")
    assert accepted(given, Policy(seals_reasoning=True)).ignored == ("include:file_search_call.results",)


HOSTED = [{"type": "web_search"}, FUNCTION, {"type": "mcp", "server_label": "x"}]


def test_hosted_tools_are_an_offer_and_set_aside() -> None:
    taken = accepted(MINIMAL | {"tools": HOSTED})
    assert taken.request["tools"] == [FUNCTION]
    assert taken.ignored == ("tools[0]:web_search", "tools[2]:mcp")


def test_tools_in_a_namespace_are_judged_like_others() -> None:
    crm = NAMESPACE | {"tools": [FUNCTION, {"type": "mcp"}, CUSTOM | {"async": True}]}
    taken = accepted(MINIMAL | {"tools": [crm]})
    assert taken.request["tools"] == [crm]
    assert taken.ignored == ("tools[0].tools[2].async", "tools[0].tools[1]:mcp")


def test_a_policy_may_refuse_hosted_tools() -> None:
    refused = refusal({"tools": HOSTED}, Policy(reject_unsupported_tools=True))
    assert (refused.code, refused.param) == ("unsupported_parameter", "tools[0].type")


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({"type": "web_search"}, "tool_choice"),
        ({"type": "mcp", "server_label": "x"}, "tool_choice"),
        ({}, "tool_choice"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]},
            "tool_choice.tools[0]",
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [FUNCTION, {"type": "web_search"}]},
            "tool_choice.tools[1]",
        ),
    ],
)
def test_a_choice_that_demands_a_hosted_tool_is_refused(choice: dict[str, Any], param: str) -> None:
    refused = refusal({"tools": HOSTED, "tool_choice": choice})
    assert (refused.code, refused.param) == ("unsupported_parameter", param)


@pytest.mark.parametrize(
    "choice",
    [
        "none",
        "auto",
        "required",
        {"type": "function", "name": "look_up"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look_up"}]},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "namespace", "name": "crm"}]},
        {"type": "custom", "name": "shell"},
    ],
)
def test_a_choice_of_the_callers_own_tools_is_kept(choice: Any) -> None:
    assert accepted(MINIMAL | {"tools": [*HOSTED, NAMESPACE], "tool_choice": choice}).request["tool_choice"] == choice


functions = st.builds(lambda rest: FUNCTION | rest, near(description=st.just("d"), strict=st.booleans()))
near_bodies = near(
    model=st.just("stub"),
    input=st.text(max_size=3),
    instructions=st.text(max_size=3),
    include=st.lists(st.sampled_from(["message.output_text.logprobs", "reasoning.encrypted_content"])),
    temperature=st.floats(0, 2) | st.integers(0, 2),
    top_logprobs=st.integers(0, 20),
    tools=st.lists(functions | st.sampled_from([{"type": "web_search"}, CUSTOM, NAMESPACE]), max_size=2),
    tool_choice=st.sampled_from(["none", "auto", "required"])
    | near(
        type=st.sampled_from(["function", "custom", "allowed_tools"]),
        name=st.just("look_up"),
        mode=st.just("auto"),
        tools=st.lists(functions, max_size=2),
    ),
    text=near(
        format=st.builds(
            lambda kind, rest: {"type": kind} | rest,
            st.sampled_from(["text", "json_object", "json_schema"]),
            near(name=st.just("n"), schema=st.just({})),
        ),
        verbosity=st.just("low"),
    ),
    reasoning=near(effort=st.just("low"), summary=st.just("auto")),
    metadata=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    service_tier=st.sampled_from(["auto", "flex", "fast"]),
    client_metadata=st.just({}),
)
policies = st.builds(Policy, st.booleans(), st.booleans(), st.booleans(), st.booleans())
# Mostly the right things, so that the search gets past the first rule.
good_starts = st.sampled_from([{}, MINIMAL, MINIMAL, MINIMAL])


@law
@given(start=good_starts, fields=near_bodies | st.dictionaries(st.text(max_size=5), values), policy=policies)
def test_any_json_object_is_accepted_or_refused(start: dict[str, Any], fields: dict[str, Any], policy: Policy) -> None:
    """S9: never another error; and what is accepted can be shown and sent."""
    try:
        taken = accepted(fields | start, policy)
    except InvalidRequest:
        return
    assert_shape(render(turn(request=taken.request, ignored=taken.ignored), Status.QUEUED))
    told = native_request if policy.native else chat_request
    assert told(taken.request, [])["model"] == "stub"
