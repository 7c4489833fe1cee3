"""The OpenAPI document of this server, made from the wire's types when somebody asks for it.

The routes know nothing of it: they read and write bytes.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from api.operations import OPERATIONS, Operation
from shared.wire.answers import ErrorEnvelope
from shared.wire.items import CONTENT_PARTS, CONVERSATION_ITEMS, TURN_ITEMS

_JSON, _EVENTS, _TEXT = "application/json", "text/event-stream", "text/plain"
_COMPONENT = "#/components/schemas/"
_ERRORS = {
    400: "The request cannot be accepted as it is; `param` names the field.",
    401: "No API key, or one that opens nothing; a server on which none was ever made asks for none.",
    403: "Not with this key.",
    404: "Unknown, deleted or somebody else's.",
    413: "The body is too large.",
    422: "The `Idempotency-Key` was used for another body.",
    429: "A limit is reached; `Retry-After` says when to try again.",
    500: "An error inside the server.",
    502: "The model server failed.",
    503: "Nothing was accepted; `Retry-After` says when to try again.",
}

# Lists whose elements are told apart by their `type`, after the shape was read.
_ELEMENTS: dict[tuple[str, str], dict[str, Any]] = {
    ("CreateResponse", "input"): TURN_ITEMS,
    ("CompactConversation", "input"): TURN_ITEMS,
    ("CountInputTokens", "input"): TURN_ITEMS,
    ("CreateConversation", "items"): CONVERSATION_ITEMS,
    ("AddItems", "items"): CONVERSATION_ITEMS,
    ("Message", "content"): CONTENT_PARTS,
    ("FunctionCallOutput", "output"): CONTENT_PARTS,
    ("CustomToolCallOutput", "output"): CONTENT_PARTS,
}

Document = dict[str, Any]


def install(app: FastAPI) -> None:
    """Serve this document in place of the one FastAPI would make."""
    app.openapi = lambda: document(app)  # type: ignore[method-assign]


def document(app: FastAPI) -> Document:
    """The document; raises KeyError for a route that is in no table."""
    made = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            _describe(operation, path, OPERATIONS[f"{method.upper()} {path}"])
    del made["components"]["schemas"]["HTTPValidationError"], made["components"]["schemas"]["ValidationError"]
    made["components"]["schemas"] |= _schemas()
    return made


def _describe(operation: Document, path: str, told: Operation) -> None:
    operation["tags"] = [_group(path)]
    operation["summary"] = operation.pop("description")
    operation.setdefault("parameters", []).extend(told.parameters)
    if told.body:
        content = {_JSON: {"schema": _reference(told.body.__name__)}}
        operation["requestBody"] = {"required": told.body_required, "content": content}
    operation["responses"] = {"200": {"description": "Done.", "content": _content(told)}}
    for status in sorted(told.statuses(path)):
        shape = told.without_envelope.get(status, ErrorEnvelope)
        content = {_JSON: {"schema": _reference(shape.__name__)}}
        operation["responses"][str(status)] = {"description": _ERRORS[status], "content": content}


def _group(path: str) -> str:
    """What the pages list a path under: what is behind `/v1/`."""
    first, _, rest = path.removeprefix("/").partition("/")
    return rest.split("/")[0] if first == "v1" else "operations"


def _content(told: Operation) -> Document:
    content: Document = {_JSON: {"schema": _reference(told.answer.__name__)}} if told.answer else {}
    if told.streams:
        content[_EVENTS] = {"schema": _reference(told.streams.__name__)}
    return content or {_TEXT: {"schema": {"type": "string"}}}


def _schemas() -> Document:
    """Every shape that the document refers to, by name."""
    tables = [table.values() for table in (TURN_ITEMS, CONVERSATION_ITEMS, CONTENT_PARTS)]
    shapes: set[type[Any]] = {ErrorEnvelope}.union(*tables)
    for told in OPERATIONS.values():
        shapes |= {shape for shape in (told.answer, told.body, told.streams, *told.without_envelope.values()) if shape}
    adapters: list[TypeAdapter[Any]] = [TypeAdapter(shape) for shape in shapes]
    _, found = TypeAdapter.json_schemas(
        [(number, "validation", adapter) for number, adapter in enumerate(adapters)],
        ref_template=_COMPONENT + "{model}",
    )
    schemas: Document = found["$defs"]
    for (name, key), elements in _ELEMENTS.items():
        names = sorted({shape.__name__ for shape in elements.values()})
        _list_in(schemas[name]["properties"][key])["items"] = {"anyOf": [_reference(one) for one in names]}
    return schemas


def _list_in(schema: Document) -> Document:
    """The array among what a property may be."""
    choices = [schema, *schema.get("anyOf", [])]
    return next(choice for choice in choices if choice.get("type") == "array")


def _reference(name: str) -> Document:
    return {"$ref": _COMPONENT + name}
