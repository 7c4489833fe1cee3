"""The schema has one history: the migrations make exactly the tables the code uses, and old schemas are refused."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from shared.settings import Settings
from shared.store import schema
from shared.store.engine import Database
from shared.store.tables import METADATA


def set_revision(database: Database, revision: str) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_a_database_without_a_schema_is_refused(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with pytest.raises(schema.SchemaBehind, match="turnstone migrate"):
        schema.check(database)
    database.close()


def test_a_migrated_database_is_accepted_and_migrating_again_does_nothing(empty_database_url: str) -> None:
    settings = Settings(database_url=empty_database_url)
    schema.migrate(settings)
    schema.migrate(settings)
    database = Database(empty_database_url)
    schema.check(database)
    assert schema.revision_of(database) is not None
    database.close()


def test_a_newer_schema_is_accepted_so_that_a_rollout_can_migrate_first(database: Database) -> None:
    set_revision(database, "9999")
    schema.check(database)
    assert schema.revision_of(database) == "9999"


def test_two_processes_may_migrate_at_once(empty_database_url: str) -> None:
    settings = Settings(database_url=empty_database_url)
    with ThreadPoolExecutor(2) as pool:
        for migrated in [pool.submit(schema.migrate, settings) for _ in range(2)]:
            migrated.result(timeout=30)
    database = Database(empty_database_url)
    schema.check(database)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM response")).scalar() == 0
    database.close()


def test_a_frozen_process_loses_its_transaction_and_with_it_its_locks(postgres_database_url: str) -> None:
    """G3: on Postgres only; SQLite has no such switch."""
    database = Database(postgres_database_url)
    with database.read() as connection:
        assert connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "5s"
    database.close()
