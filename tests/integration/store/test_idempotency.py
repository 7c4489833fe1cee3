"""A key makes one thing, for its owner, for a day (G23, I1)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from shared.errors import IdempotencyKeyReused
from shared.store import idempotency
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.store.tables import IDEMPOTENCY
from tests.stored_turns import OWNER

CLAIMERS = 8
HOUR_SECONDS = 3600


def claim(database: Database, made_id: str, owner: str = OWNER, digest: str = "d") -> str | None:
    with database.write() as connection:
        return idempotency.claim(connection, owner, "key", digest, made_id)


def test_a_key_is_bound_to_what_it_made_first(database: Database) -> None:
    assert claim(database, "first") is None
    assert [claim(database, "second"), claim(database, "third")] == ["first", "first"]


def test_a_key_used_with_another_body_is_refused_and_keeps_what_it_made(database: Database) -> None:
    claim(database, "first")
    with pytest.raises(IdempotencyKeyReused):
        claim(database, "second", digest="other")
    assert claim(database, "third") == "first"


def test_owners_do_not_share_keys(database: Database) -> None:
    """I1: whatever the other's body was."""
    assert claim(database, "mine") is None
    assert claim(database, "theirs", owner="mallory", digest="other") is None
    assert claim(database, "again") == "mine"
    assert claim(database, "again", owner="mallory", digest="other") == "theirs"


def test_of_many_at_once_one_makes_something(database: Database) -> None:
    with ThreadPoolExecutor(CLAIMERS) as pool:
        found = list(pool.map(lambda number: claim(database, str(number)), range(CLAIMERS)))
    made = found.index(None)
    assert [one for one in found if one is not None] == [str(made)] * (CLAIMERS - 1)


@pytest.mark.parametrize(("hours", "kept"), [(23, True), (25, False)])
def test_a_key_is_kept_for_a_day(database: Database, hours: int, kept: bool) -> None:
    claim(database, "first")
    with database.write() as connection:
        connection.execute(update(IDEMPOTENCY).values(created_at=database_now() - hours * HOUR_SECONDS))
        idempotency.forget_old(connection, limit=100)
    assert claim(database, "second") == ("first" if kept else None)
