"""What all listings share: their query, their filter by metadata, their envelope."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.json_response import Json
from shared.errors import InvalidRequest
from shared.store.pages import PageRequest

_LABEL = re.compile(r"metadata\[(.{1,64})\]")
_MOST_LABELS = 16


# Async on purpose: a plain function would cost each request a hop to a thread.
async def _page_query(
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> PageRequest:
    return PageRequest(after, limit, order == "desc")


async def _labels(request: Request) -> dict[str, str]:
    labels = {match[1]: value for name, value in request.query_params.items() if (match := _LABEL.fullmatch(name))}
    if len(labels) > _MOST_LABELS:
        raise InvalidRequest(f"At most {_MOST_LABELS} metadata filters.", "metadata", "invalid_value")
    return labels


PageQuery = Annotated[PageRequest, Depends(_page_query)]
Labels = Annotated[dict[str, str], Depends(_labels)]


def listed(data: Sequence[dict[str, Any]], has_more: bool) -> Response:
    """A page in the envelope of a list; each entry has an `id`, which the next page goes on from."""
    listing = {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }
    return Json(listing)
