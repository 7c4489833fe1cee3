"""What an idle server asks its database costs the same however much is stored (Q1)."""

import pytest

from shared import clock
from shared.store import attempts, processes, queue_state, responses, webhook_outbox
from shared.store.engine import Database
from tests.integration.turns.sweepers import NewSweeper
from tests.statements import plans_of, statements_of, steps_of
from tests.stored_past import fill
from tests.stored_turns import claimed, create

STORED = 20_000
MOST_STEPS = 4_000
"""Of SQLite's machine for one statement: reading the stored responses would take more than one for each."""


@pytest.fixture(params=["with statistics", "without"])
def full(request: pytest.FixtureRequest, database: Database) -> Database:
    """A store with a long past and a few turns that are active."""
    fill(database, STORED, statistics=request.param == "with statistics")
    for _ in range(3):
        create(database, created_at=int(clock.now()))
        claimed(database, created_at=int(clock.now()))
    return database


def ask_everything(database: Database, new_sweeper: NewSweeper) -> None:
    """What processes ask again and again though nothing happens."""
    new_sweeper(retention_days=1).sweep()
    active = create(database, created_at=int(clock.now())).id
    with database.read() as connection:
        queue_state.load(connection)
        processes.alive(connection, processes.API)
        responses.look(connection, [active])
        attempts.overtaken(connection, [(active, 1)])
        webhook_outbox.any_due(connection)
    with database.write() as connection:
        processes.beat(connection, processes.API, "api_1", "1")
        attempts.renew(connection, [(active, 1)], lease_seconds=30)


def test_no_statement_reads_what_has_ended(full: Database, new_sweeper: NewSweeper) -> None:
    with statements_of(full) as asked, steps_of(full) as steps:
        ask_everything(full, new_sweeper)
    counted = zip(steps, asked, strict=False)
    assert not [(count * 100, said) for count, (said, _) in counted if count * 100 >= MOST_STEPS]
    if full.engine.dialect.name == "postgresql":
        reading = [(said, given) for said, given in asked if said.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))]
        for plan in plans_of(full, reading):
            assert "Seq Scan on response" not in plan, plan
