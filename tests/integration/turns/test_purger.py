"""Retention outpaces what is made: one sweep is enough for all that is old, in short transactions (Q9)."""

from sqlalchemy import func, select

from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.store.tables import ITEM, RESPONSE
from shared.turns.purge import Purge
from tests.eventually import eventually
from tests.integration.turns.sweepers import NewSweeper
from tests.stored_past import fill
from tests.stored_turns import answered, change

OLD = 2_000
DAY_SECONDS = 86_400


def stored(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(RESPONSE)).scalar_one()


def grow_old(database: Database) -> None:
    with database.write() as connection:
        connection.execute(RESPONSE.update().values(ended_at=database_now() - 2 * DAY_SECONDS))


def test_one_sweep_has_all_that_is_old_erased(database: Database, new_sweeper: NewSweeper) -> None:
    """Not a hundred of them."""
    fill(database, OLD, statistics=False)
    grow_old(database)
    young = answered(database, "q", "a")
    change(database, young.id, ended_at=database_now())
    new_sweeper(retention_days=1).sweep()
    eventually(lambda: stored(database) == 1, 30, "all that is old to be erased")


def test_a_long_chain_goes_as_quickly_as_single_responses(database: Database) -> None:
    """In one pass, with its items: not one response a round."""
    parent = None
    for _ in range(120):
        parent = answered(database, "q", "a", previous_response_id=parent).id
    grow_old(database)
    purge = Purge(database, lambda: DAY_SECONDS)
    steps = 0
    while purge.step() is not None:
        steps += 1
    assert stored(database) == 0
    assert steps < 20
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(ITEM)).scalar_one() == 0


def test_what_is_held_by_a_younger_response_is_not_looked_at_again_and_again(database: Database) -> None:
    """A store full of old responses that young ones go on from costs a purge nothing."""
    for _ in range(30):
        parent = answered(database, "q", "a")
        change(database, parent.id, ended_at=database_now() - 2 * DAY_SECONDS)
        change(database, answered(database, "q", "a", previous_response_id=parent.id).id, ended_at=database_now())
    purge = Purge(database, lambda: DAY_SECONDS)
    while purge.step() is not None:
        pass
    assert stored(database) == 60
    assert purge.step() is None
