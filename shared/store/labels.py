"""Filters by the caller's metadata, whatever its keys and values hold."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class has_label(FunctionElement[bool]):  # noqa: N801 - reads as a SQL function
    """Whether a metadata column has this key with this value."""

    type = Boolean()
    inherit_cache = True


def with_labels(metadata: ColumnElement[dict[str, str]], labels: dict[str, str]) -> list[ColumnElement[bool]]:
    """That a metadata column has each of these values."""
    return [has_label(metadata, key, value) for key, value in labels.items()]


@compiles(has_label, "sqlite")
def _sqlite(element: has_label, compiler: Any, **options: Any) -> str:
    # Not json_extract: in its paths, keys with quotes, backslashes or letters beyond ASCII are not found.
    metadata, key, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"EXISTS (SELECT 1 FROM json_each({metadata}) AS label WHERE label.key = {key} AND label.value = {value})"  # noqa: S608 - columns and bound parameters


@compiles(has_label)
def _postgres(element: has_label, compiler: Any, **options: Any) -> str:
    metadata, key, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({metadata} ->> CAST({key} AS text)) = {value}"
