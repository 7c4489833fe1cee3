"""What the person on call sees first, on both databases."""

from sqlalchemy import update

from shared.cli import status
from shared.settings import Settings
from shared.store import processes, server_state
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.store.queue_state import Waiting
from shared.store.server_state import ServerState
from shared.store.tables import API_PROCESS
from tests.stored_turns import change, claimed, create


def state(database: Database) -> ServerState:
    with database.read() as connection:
        return server_state.load(connection)


def a_busy_server(database: Database) -> None:
    with database.write() as connection:
        processes.beat(connection, processes.WORKER, "w1", "1.0", {"turn_restarted": 2})
        processes.beat(connection, processes.WORKER, "w2", "2.0", {"turn_restarted": 1, "end_resumed": 1})
        for name in ("dead", "gone", "old"):
            processes.beat(connection, processes.API, name, "1.0", {"end_resumed": 5})
        processes.leave(connection, processes.API, "gone")
        seen = update(API_PROCESS)
        connection.execute(seen.where(API_PROCESS.c.id == "dead").values(seen_at=database_now() - 16))
        # As a process of the release before says that it lives.
        connection.execute(seen.where(API_PROCESS.c.id == "old").values(version=None, recoveries=None))
    running = claimed(database)
    create(database, previous_response_id=running.id)
    create(database, request={"model": "m", "service_tier": "flex"})
    change(database, create(database).id, dispatched_at=None)


def test_it_tells_of_turns_and_of_the_processes_that_live(database: Database) -> None:
    a_busy_server(database)
    found = state(database)
    assert (found.running, found.queued) == (1, 3)
    assert {what: found.waiting_for(what) for what in Waiting} == dict.fromkeys(Waiting, 1)
    assert found.oldest_seconds() >= found.oldest_seconds(Waiting.WORKER)
    assert [(one.id, one.version) for one in found.workers] == [("w1", "1.0"), ("w2", "2.0")]
    assert [(one.id, one.version) for one in found.api_processes] == [("old", None)]
    assert found.recoveries == {"turn_restarted": 3, "end_resumed": 1}
    assert found.schema_revision


def test_a_process_is_one_however_often_it_says_so(database: Database) -> None:
    for version in ("1", "2"):
        with database.write() as connection:
            processes.beat(connection, processes.WORKER, "w", version)
    assert [one.version for one in state(database).workers] == ["2"]


def test_the_command_prints_it(database: Database, database_url: str) -> None:
    a_busy_server(database)
    said = "\n".join(status.table(Settings(database_url=database_url)))
    assert "workers         1 (1.0), 1 (2.0)" in said
    assert "API processes   1 (version unknown)" in said
    assert "recoveries      3 turn_restarted, 1 end_resumed" in said
    assert "flex                    0        1" in said
    assert "1 a turn before them" in said


def test_a_server_that_does_nothing_says_so(database: Database, database_url: str) -> None:
    said = status.table(Settings(database_url=database_url))
    assert said[1:4] == ["workers         none", "API processes   none", "recoveries      none"]
    assert state(database).oldest_seconds() == 0
