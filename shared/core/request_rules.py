"""What an accepted request must obey beyond its shape, and what of it is set aside."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from shared.core.tool_rules import (
    RequestObject,
    check_native_tool_choice,
    check_tool_choice,
    take_native_tools,
    take_tools,
)
from shared.errors import InvalidRequest, missing_parameter, unsupported_parameter
from shared.wire.request_fields import REQUEST_FIELDS, Fate, fields_with
from shared.wire.requests import ENCRYPTED_REASONING, CreateResponse, Strict

# Each unknown name is compared with every known one, which costs; no client sends more than a handful.
MAX_UNKNOWN_FIELDS = 100

_IGNORED = fields_with(Fate.IGNORED)
_REFUSED = fields_with(Fate.REFUSED)
# What a Chat Completions server has no place for and a native Responses server has.
_NATIVE = frozenset(path for path in _IGNORED if path.startswith(("reasoning.", "prompt_cache_", "tools[")))

# What a Chat Completions upstream says anyway, or when it is asked; of hosted tools it can say nothing.
_INCLUDED = {"message.input_image.image_url", "message.output_text.logprobs"}


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do with what cannot be honoured: set it aside, or answer 400; and whether reasoning can be sealed."""

    reject_unknown_fields: bool = False
    reject_unsupported_tools: bool = False
    seals_reasoning: bool = False
    native: bool = False
    """The model server speaks the Responses API itself: hosted tools, and all about them, are its business."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that may be stored: the fields that were set, less `input`, and the names set aside."""

    request: dict[str, Any]
    ignored: tuple[str, ...]


def accept(body: CreateResponse, policy: Policy, *, input_required: bool = True) -> Accepted:
    """Apply every rule; raises InvalidRequest naming the field."""
    _require(body, input_required)
    offered = body.tools or []
    reject = policy.reject_unsupported_tools
    tools = take_native_tools(offered) if policy.native else take_tools(offered, reject_others=reject)
    ignored = _set_aside_fields([*_objects(body), *tools.objects], policy)
    _check_text_format(body)
    left_out = _includes(body, policy)
    check_choice = check_native_tool_choice if policy.native else check_tool_choice
    check_choice(body.tool_choice, tools.usable)
    request = body.model_dump(by_alias=True, exclude_none=True, exclude={"input", *ignored, "stream_options", "tools"})
    if tools.usable:
        request["tools"] = tools.usable
    return Accepted(request, tuple(ignored + left_out + tools.left_out))


def _require(body: CreateResponse, input_required: bool) -> None:
    if body.model is None:
        raise missing_parameter("model")
    nothing = body.input in (None, []) and body.previous_response_id is None and body.conversation is None
    if nothing and input_required:
        raise missing_parameter("input")
    if body.previous_response_id is not None and body.conversation is not None:
        raise InvalidRequest(
            "'previous_response_id' cannot be used together with 'conversation'.",
            "previous_response_id",
            "mutually_exclusive_parameters",
        )


def _objects(part: Strict, prefix: str = "") -> Iterator[RequestObject]:
    """The body and the objects in it whose fields are known."""
    yield RequestObject(prefix, prefix, part)
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Strict):
            yield from _objects(value, f"{prefix}{name}.")


def _set_aside_fields(objects: list[RequestObject], policy: Policy) -> list[str]:
    """The names that are not honoured; those inside an object are dotted: `reasoning.mode`."""
    ignored: list[str] = []
    unknown = 0
    for place in objects:
        extra = sorted(name for name, value in (place.part.model_extra or {}).items() if value is not None)
        unknown += len(extra)
        if unknown > MAX_UNKNOWN_FIELDS:
            raise InvalidRequest(f"More than {MAX_UNKNOWN_FIELDS} unknown parameters.", code="unknown_parameter")
        for name in extra:
            _judge(place, name, policy)
        names = sorted([*extra, *_without_effect(place)])
        ignored += [place.where + name for name in names if not (policy.native and place.path + name in _NATIVE)]
    return ignored


def _without_effect(place: RequestObject) -> list[str]:
    return [name for name in _ignored_in(type(place.part), place.path) if getattr(place.part, name)]


@cache
def _ignored_in(shape: type[Strict], path: str) -> list[str]:
    return [name for name in shape.model_fields if path + name in _IGNORED]


def _judge(place: RequestObject, name: str, policy: Policy) -> None:
    path, shown = place.path + name, (place.where + name)[:64]
    if path in _REFUSED:
        raise unsupported_parameter(shown, f"Unsupported parameter: '{shown}' is not available on this server.")
    if path in _IGNORED:
        return
    near = difflib.get_close_matches(shown, _known(place), n=1, cutoff=0.85) if len(name) <= 64 else []
    if near or policy.reject_unknown_fields:
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidRequest(f"Unknown parameter: '{shown}'.{hint}", shown, "unknown_parameter")


def _known(place: RequestObject) -> list[str]:
    names = {field.alias or name for name, field in type(place.part).model_fields.items()}
    names |= {path.removeprefix(place.path) for path in REQUEST_FIELDS if path.startswith(place.path)}
    return sorted(place.where + name for name in names if name.isidentifier())


def _check_text_format(body: CreateResponse) -> None:
    form = body.text.format if body.text else None
    if form and form.type == "json_schema":
        for key, value in (("name", form.name), ("schema", form.schema_)):
            if value is None:
                where = f"text.format.{key}"
                raise missing_parameter(where)


def _includes(body: CreateResponse, policy: Policy) -> list[str]:
    """The asked-for extras that are left out."""
    asked = body.include or []
    if body.top_logprobs and "message.output_text.logprobs" not in asked:
        raise InvalidRequest(
            "'top_logprobs' needs 'message.output_text.logprobs' in 'include'.", "top_logprobs", "invalid_value"
        )
    included = _INCLUDED | ({ENCRYPTED_REASONING} if policy.seals_reasoning else set())
    return [f"include:{name}" for name in asked if not (policy.native or name in included)]
