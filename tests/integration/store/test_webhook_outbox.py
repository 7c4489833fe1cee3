"""G24: an event is stored with the end that it tells of, and is due until taken: once at a time, for 72 hours."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select, update

from shared import ids
from shared.core.turn import Outcome, Turn
from shared.core.turn_status import Status
from shared.core.webhooks import EVENT_TYPES, GIVEN_UP_SECONDS
from shared.store import attempts, webhook_outbox, webhooks
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.store.tables import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from shared.store.webhook_outbox import KEPT_SECONDS, Delivery
from shared.store.webhooks import Endpoint
from tests.stored_turns import NOW, OWNER, body_of, claimed, completed, create, finish


def endpoint(database: Database, owner: str = OWNER, event_types: Sequence[str] = EVENT_TYPES) -> str:
    made = Endpoint(
        id=ids.new_webhook_endpoint_id(),
        name="n",
        url="https://example.com/",
        event_types=tuple(event_types),
        hint="whsec_…",
        created_at=int(NOW),
        updated_at=int(NOW),
        sealed=("sealed",),
    )
    with database.write() as connection:
        webhooks.create(connection, owner, made)
    return made.id


def ended(database: Database, **changes: Any) -> Turn:
    turn = claimed(database, **changes)
    assert finish(database, turn)
    return turn


def claim(
    database: Database, *, limit: int = 100, per_endpoint: int = 100, busy: Sequence[str] = (), lease: float = 60
) -> list[Delivery]:
    with database.write() as connection:
        return webhook_outbox.claim(connection, limit=limit, per_endpoint=per_endpoint, busy=busy, lease_seconds=lease)


def rows(database: Database) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(WEBHOOK_DELIVERY).order_by(WEBHOOK_DELIVERY.c.position)))


def age(database: Database, **values: Any) -> None:
    with database.write() as connection:
        connection.execute(update(WEBHOOK_DELIVERY).values(**values))


def due(database: Database) -> bool:
    with database.read() as connection:
        return webhook_outbox.any_due(connection)


def test_an_end_tells_each_endpoint_of_its_owner_that_wants_to_know(database: Database) -> None:
    wanted = {endpoint(database), endpoint(database, event_types=["response.completed"])}
    endpoint(database, event_types=["response.failed", "response.incomplete"])
    endpoint(database, owner="bob")
    turn = ended(database)
    assert {(row.endpoint_id, row.response_id, row.event_type) for row in rows(database)} == {
        (one, turn.id, "response.completed") for one in wanted
    }


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.INCOMPLETE, Status.FAILED, Status.CANCELLED])
def test_every_end_by_a_worker_has_its_event(database: Database, status: Status) -> None:
    endpoint(database)
    turn = claimed(database)
    assert finish(database, turn, outcome=Outcome(status=status, at=NOW))
    assert [row.event_type for row in rows(database)] == [f"response.{status}"]


def test_ends_from_outside_have_theirs(database: Database) -> None:
    endpoint(database)
    cancelled = Outcome(status=Status.CANCELLED, at=NOW)
    queued, running = create(database), claimed(database)
    with database.write() as connection:
        assert attempts.end_queued(connection, queued, body_of(queued, (), cancelled), cancelled, None)
        taken = attempts.take_over(connection, running.id, "cancelled", lease_seconds=30)
        assert taken
        fence = (taken.id, taken.attempt)
        assert attempts.finish_ending(connection, fence, taken, body_of(taken, (), cancelled), cancelled, None)
    assert [row.response_id for row in rows(database)] == [queued.id, running.id]


def test_who_lost_a_turn_tells_nobody(database: Database) -> None:
    """The event is part of the terminal transaction: none without its end, no end without it."""
    endpoint(database)
    turn = ended(database)
    assert not finish(database, turn)
    other = claimed(database)
    with database.write() as connection:
        attempts.finish(connection, (other.id, other.attempt), other, body_of(other), completed(), None)
        connection.rollback()
    assert [row.response_id for row in rows(database)] == [turn.id]


def test_a_foreground_turn_tells_its_caller_and_nobody_else(database: Database) -> None:
    endpoint(database)
    ended(database, background=False)
    assert rows(database) == []


def test_what_is_claimed_is_due_again_after_its_lease_if_nothing_came_of_it(database: Database) -> None:
    """A sender that dies loses nothing; the same event again, with one attempt more."""
    one = endpoint(database)
    turn = ended(database)
    (first,) = claim(database)
    assert (first.response_id, first.endpoint.id, first.attempts) == (turn.id, one, 1)
    assert claim(database) == []
    assert not due(database)
    age(database, next_at=database_now() - 1)
    assert due(database)
    (second,) = claim(database)
    assert (second.position, second.attempts) == (first.position, 2)


def test_done_is_over_and_postponed_is_not(database: Database) -> None:
    endpoint(database)
    ended(database)
    ended(database)
    first, second = sorted(claim(database), key=lambda one: one.position)
    with database.write() as connection:
        webhook_outbox.done(connection, first, "204")
        webhook_outbox.postpone(connection, second, "500", 100)
        webhook_outbox.postpone(connection, first, "500", 100)  # by a sender that was slower
        now = connection.execute(select(database_now())).scalar_one()
    taken, waiting = rows(database)
    assert (taken.next_at, taken.answer) == (None, "204")
    assert (waiting.next_at, waiting.answer) == (pytest.approx(now + 100, abs=5), "500")


def test_two_senders_never_hold_the_same(postgres_database_url: str) -> None:
    """On Postgres, what another transaction is claiming is passed over; SQLite has one writer at a time."""
    database = Database(postgres_database_url)
    endpoint(database)
    for _ in range(3):
        ended(database)
    with database.write() as connection:
        first = webhook_outbox.claim(connection, limit=2, per_endpoint=9, busy=(), lease_seconds=60)
        second = claim(database)
    assert len(first) == 2
    assert len(second) == 1
    assert not {one.position for one in first} & {one.position for one in second}
    database.close()


def test_an_endpoint_with_many_holds_up_no_other(database: Database) -> None:
    crowded = endpoint(database)
    for _ in range(5):
        ended(database)
    free = endpoint(database, owner="bob")
    ended(database, owner="bob")
    assert sorted(one.endpoint.id for one in claim(database, per_endpoint=2)) == sorted([crowded, crowded, free])
    assert claim(database, busy=[crowded]) == []
    assert len(claim(database, limit=1)) == 1


def test_a_disabled_endpoint_is_sent_nothing_until_it_is_changed(database: Database) -> None:
    one = endpoint(database)
    ended(database)
    ended(database)
    delivery, *_ = claim(database, limit=1)
    with database.write() as connection:
        webhook_outbox.disable(connection, delivery, "410")
    ended(database)
    assert [row.next_at for row in rows(database)] == [None, None]
    with database.write() as connection:
        assert webhooks.change(connection, OWNER, one, int(NOW), {"name": "again"})
    ended(database)
    assert len(claim(database)) == 1


def test_after_72_hours_it_is_given_up(database: Database) -> None:
    endpoint(database)
    ended(database)
    age(database, created_at=database_now() - GIVEN_UP_SECONDS + 60)
    with database.write() as connection:
        assert webhook_outbox.give_up(connection) == 0
    age(database, created_at=database_now() - GIVEN_UP_SECONDS - 60)
    with database.write() as connection:
        assert webhook_outbox.give_up(connection) == 1
        assert webhook_outbox.give_up(connection) == 0
    assert claim(database) == []


def test_deleting_an_endpoint_deletes_what_was_to_be_sent(database: Database) -> None:
    """And whoever ends a turn at that very moment is not kept from it: what it writes is nobody's, and swept away."""
    one = endpoint(database)
    ended(database)
    with database.write() as connection:
        assert not webhooks.remove(connection, "bob", one)
        assert webhooks.remove(connection, OWNER, one)
    assert rows(database) == []
    two = endpoint(database)
    ended(database)
    with database.write() as connection:
        connection.execute(WEBHOOK_ENDPOINT.delete().where(WEBHOOK_ENDPOINT.c.id == two))
    assert claim(database) == []
    with database.write() as connection:
        webhook_outbox.forget(connection)
    assert rows(database) == []


def test_what_is_over_is_kept_for_a_week_and_what_is_not_longer(database: Database) -> None:
    endpoint(database)
    ended(database)
    ended(database)
    first, _ = sorted(claim(database), key=lambda one: one.position)
    with database.write() as connection:
        webhook_outbox.done(connection, first, "200")
        webhook_outbox.forget(connection)
    assert len(rows(database)) == 2
    age(database, created_at=database_now() - KEPT_SECONDS - 1)
    with database.write() as connection:
        webhook_outbox.forget(connection)
    assert [row.answer for row in rows(database)] == [None]


def test_an_endpoint_is_its_owners(database: Database) -> None:
    one = endpoint(database)
    ended(database)
    with database.write() as connection:
        assert webhooks.get(connection, "bob", one) is None
        assert not webhooks.change(connection, "bob", one, 1, {"name": "x"})
        assert not webhooks.rotate(connection, "bob", one, 1, sealed="x", hint="x", keep_seconds=0)
        assert webhook_outbox.sent(connection, "bob", one, 10) == []
        assert len(webhook_outbox.sent(connection, OWNER, one, 10)) == 1
        assert (webhooks.count(connection, OWNER), webhooks.count(connection, "bob")) == (1, 0)
        assert webhooks.get(connection, OWNER, one) is not None


def test_a_rotated_secret_signs_on_for_as_long_as_was_asked(database: Database) -> None:
    one = endpoint(database)
    with database.write() as connection:
        webhooks.rotate(connection, OWNER, one, 1, sealed="second", hint="h", keep_seconds=60)
        kept = webhooks.get(connection, OWNER, one)
        webhooks.rotate(connection, OWNER, one, 1, sealed="third", hint="h", keep_seconds=0)
        dropped = webhooks.get(connection, OWNER, one)
    assert kept
    assert dropped
    assert kept.sealed == ("second", "sealed")
    assert dropped.sealed == ("third",)
