"""References: items of a turn's input that point at one the owner has stored already."""

from collections.abc import Sequence

from sqlalchemy import Connection

from shared.errors import InvalidRequest
from shared.store.items import find
from shared.wire.items import Item


def check(connection: Connection, owner: str, items: Sequence[Item], name: str = "input") -> None:
    """Raise InvalidRequest, naming its place in field `name`, for a reference to an item the owner does not have."""
    found = find(connection, owner, _ids(items))
    for index, item in enumerate(items):
        if _is_reference(item) and item["id"] not in found:
            where = f"{name}[{index}].id"
            raise InvalidRequest(f"Item with id '{item['id']}' not found.", where, "item_not_found")


def resolve(connection: Connection, owner: str, items: Sequence[Item]) -> list[Item]:
    """The items with each reference replaced by what it points at; a reference to nothing stays."""
    ids = _ids(items)
    if not ids:
        return list(items)
    found = find(connection, owner, ids)
    return [found.get(item["id"], item) if _is_reference(item) else item for item in items]


def _ids(items: Sequence[Item]) -> list[str]:
    return [item["id"] for item in items if _is_reference(item)]


def _is_reference(item: Item) -> bool:
    return bool(item["type"] == "item_reference")
