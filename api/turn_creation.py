"""From an accepted request to a stored turn on its way to a worker."""

from dataclasses import dataclass, replace
from functools import partial

import structlog

from api.idempotency import COMES_BACK_SECONDS, IdempotencyKey
from api.request_context import request_id
from api.runtime import ApiRuntime
from shared import clock, ids, tracing
from shared.core import compaction, prompt
from shared.core.api_key import Caller
from shared.core.compaction import COMPACTIONS, expand
from shared.core.context import Context
from shared.core.input_items import turn_items
from shared.core.request_rules import Policy, accept
from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.errors import conversation_locked, conversation_not_found
from shared.store import context, conversation_items, conversations, creation, idempotency, references
from shared.store import items as stored_items
from shared.store.admission import Admission
from shared.store.engine import Connection
from shared.turns import turn_figures
from shared.wire.items import Item
from shared.wire.requests import ConversationReference, CreateResponse

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a request's turn is: `dispatchable` now, or made by an earlier request with the same key (`repeated`)."""

    response_id: str
    dispatchable: bool
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Creation:
    """Writes a new turn, in one transaction.

    `queues`: it may wait for the turn before it. `parent_held`: the caller's connection holds the unstored parent.
    `native`: its model server takes items of any type, and says itself which it cannot.
    """

    turn: Turn
    items: list[Item]
    queues: bool
    key: IdempotencyKey | None = None
    parent_held: bool = False
    native: bool = False

    def store(self, connection: Connection, owner: str, admission: Admission) -> Placed:
        """Write the turn, unless its key has one already.

        Raises RateLimited when the queue is full, and RequestError for what its context does not allow.
        """
        if self.key is not None:
            made = idempotency.claim(connection, owner, self.key.key, self.key.digest, self.turn.id)
            if made is not None:
                return Placed(made, dispatchable=False, repeated=True)
        held_back = not admission.admit(connection, owner)
        waits_for = self._create(connection, owner, held_back=held_back)
        return Placed(self.turn.id, dispatchable=not (held_back or waits_for))

    def rehearse(self, connection: Connection, owner: str) -> Context:
        """What the model would be told in such a turn; raises as `store` does, and when a turn before it still runs."""
        with connection.begin_nested() as turn_in_place:
            replace(self, queues=False)._create(connection, owner)
            told = context.load(connection, self.turn)
            turn_in_place.rollback()
        assert told, "the turn was accepted: what it goes on from is there"
        return told

    def _create(self, connection: Connection, owner: str, *, held_back: bool = False) -> str | None:
        self._check_references(connection, owner)
        items = self._own_items(connection, owner)
        comes_back = COMES_BACK_SECONDS if self.key and not self.turn.background else None
        waits_for = creation.create(
            connection,
            owner,
            self.turn,
            items,
            abandoned_after_seconds=comes_back,
            parent_held=self.parent_held,
            held_back=held_back,
        )
        if waits_for is None:
            self._check_context(connection, owner, items)
        elif not self.queues:
            raise conversation_locked("conversation" if self.turn.conversation_id else "previous_response_id")
        return waits_for

    def _check_references(self, connection: Connection, owner: str) -> None:
        """Refuse, by its place, what is not there or cannot be told; what the caller wrote out was judged when read."""
        references.check(connection, owner, self.items)
        if self.native:
            return
        whole = references.resolve(connection, owner, self.items)
        for index, (brought, item) in enumerate(zip(self.items, whole, strict=True)):
            if item is not brought and item["type"] not in COMPACTIONS:
                prompt.refuse_untellable(item, f"input[{index}]")

    def _own_items(self, connection: Connection, owner: str) -> list[Item]:
        """In a conversation, a reference becomes the item itself, unless the conversation has it already."""
        conversation_id = self.turn.conversation_id
        if conversation_id is None:
            return self.items
        # Held from here on: what it has and lacks stays true until the turn is in.
        if not conversations.lock(connection, owner, conversation_id):
            raise conversation_not_found(conversation_id, "conversation")
        conversation_items.refuse_known(connection, conversation_id, self.items, "input")
        present = conversation_items.ids_in(connection, conversation_id, [item["id"] for item in self.items])
        kept = [item for item in self.items if item["id"] not in present]
        return references.resolve(connection, owner, kept)

    def _check_context(self, connection: Connection, owner: str, items: list[Item]) -> None:
        # While the turn before runs, its calls are not known yet: then the worker checks, at claim.
        own = references.resolve(connection, owner, items)
        if self.turn.conversation_id is not None:
            if not self.native:
                present = conversation_items.tool_types(connection, self.turn.conversation_id)
                prompt.refuse_unsendable(present - COMPACTIONS, "conversation")
            before = conversation_items.calls(connection, self.turn.conversation_id)
        elif self.turn.previous_response_id is not None:
            found = stored_items.calls(connection, owner, self.turn.previous_response_id)
            before = references.resolve(connection, owner, found)
        else:
            before = []
        prompt.match_calls(before + own)


async def rehearse(runtime: ApiRuntime, creation: Creation) -> list[Item]:
    """What the model would be told in such a turn, compactions expanded; nothing is stored."""
    owner = creation.turn.owner
    told = await runtime.write(creation.rehearse, owner)
    return expand(told, partial(runtime.summaries.open, owner)).items


async def place(runtime: ApiRuntime, creation: Creation) -> Placed:
    """Store the turn and give it to a worker; one that waits, or was there before, is left where it is."""
    turn = creation.turn
    with tracing.span("store turn", response_id=turn.id, model=turn.request["model"]):
        placed = await runtime.write(creation.store, turn.owner, runtime.admission)
    if not placed.repeated:
        log.info("turn_accepted", response_id=turn.id, waits=not placed.dispatchable)
    if placed.dispatchable:
        runtime.dispatcher.dispatch(turn)
    if not placed.repeated:
        turn_figures.accepted(turn)
    return placed


def prepare(
    runtime: ApiRuntime,
    caller: Caller,
    body: CreateResponse,
    key: IdempotencyKey | None = None,
    *,
    generate: bool = True,
    parent_held: bool = False,
) -> Creation:
    """The turn that a request asks for; raises InvalidRequest naming the field.

    Without `generate`, its end is an empty output: it is there to be gone on from.
    """
    settings = runtime.settings
    native = body.model is not None and runtime.upstream_for(caller, body.model).kind == "responses"
    policy = Policy(
        reject_unknown_fields=settings.unknown_fields == "reject",
        reject_unsupported_tools=settings.unsupported_tools == "reject",
        seals_reasoning=runtime.sealed_reasoning.available,
        native=native,
    )
    accepted = accept(body, policy, input_required=generate)
    items, compacts = _input(runtime, caller.owner, body, native=native)
    turn = Turn(
        id=ids.new_response_id(),
        owner=caller.owner,
        status=Status.QUEUED,
        created_at=int(clock.now()),
        request=accepted.request | _orders(generate=generate, compacts=compacts) | _origin(),
        ignored=accepted.ignored,
        previous_response_id=body.previous_response_id,
        conversation_id=_conversation_id(body),
        background=bool(body.background),
        stream=bool(body.stream),
        store=body.store is not False,
        waiter=None if body.background or key else runtime.name,
    )
    queues = settings.conversation_concurrency == "queue"
    return Creation(turn, items, queues, key, parent_held, native)


def _input(runtime: ApiRuntime, owner: str, body: CreateResponse, *, native: bool) -> tuple[list[Item], bool]:
    """The turn's own items, and whether its output is to be a compaction."""
    brought = turn_items(body.input, ids.new_item_id, native=native)
    items = runtime.sealed_reasoning.opened(owner, brought, others_too=native)
    compaction.check(items, partial(runtime.summaries.open, owner))
    compacts = compaction.is_asked_for(items)
    if compacts or body.context_management:
        runtime.summaries.require()
    return items[:-1] if compacts else items, compacts


def _orders(*, generate: bool, compacts: bool) -> dict[str, bool]:
    """What is done in place of an answer, for the worker to see."""
    return ({} if generate else {"generate": False}) | ({"compact": True} if compacts else {})


def _origin() -> dict[str, str]:
    """The request that made the turn, by which log lines and spans are found, the worker's too."""
    origin = {"request_id": request_id(), "traceparent": tracing.traceparent()}
    return {name: value for name, value in origin.items() if value}


def _conversation_id(body: CreateResponse) -> str | None:
    conversation = body.conversation
    return conversation.id if isinstance(conversation, ConversationReference) else conversation
