"""From an accepted request to a stored turn on its way to a worker."""

from shared import clock, ids
from shared.core import prompt
from shared.core.input_items import normalise
from shared.core.request_rules import Policy, accept
from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.settings import Settings
from shared.store import items as stored_items
from shared.store import responses
from shared.store.engine import Connection
from shared.wire.items import Item
from shared.wire.requests import CreateResponse


def new_turn(owner: str, body: CreateResponse, settings: Settings) -> tuple[Turn, list[Item]]:
    """The turn and its input items; raises InvalidRequest naming the field."""
    policy = Policy(settings.unknown_fields == "reject", settings.unsupported_tools == "reject")
    accepted = accept(body, policy)
    turn = Turn(
        id=ids.new_response_id(),
        owner=owner,
        status=Status.QUEUED,
        created_at=int(clock.now()),
        request=accepted.request,
        ignored=accepted.ignored,
        previous_response_id=body.previous_response_id,
        background=bool(body.background),
        stream=bool(body.stream),
        store=body.store is not False,
    )
    return turn, normalise(body.input, ids.new_item_id)


def store(connection: Connection, owner: str, turn: Turn, items: list[Item], waiter: str | None) -> bool:
    """Write the turn; whether it can be dispatched now. Raises InvalidRequest for what the chain does not allow."""
    dispatchable = responses.create(connection, owner, turn, items, waiter=waiter)
    if dispatchable:
        # While an ancestor runs, its calls are not known yet: then the worker checks, at claim.
        prompt.match_calls(_calls_of_chain(connection, owner, turn) + items)
    return dispatchable


def _calls_of_chain(connection: Connection, owner: str, turn: Turn) -> list[Item]:
    if turn.previous_response_id is None:
        return []
    return stored_items.calls(connection, owner, turn.previous_response_id)
