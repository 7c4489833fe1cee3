"""While an upgrade is rolled out, code of the revision before runs on the new schema (decisions: migrate first).

Every migration therefore only adds, whatever the release. One that must take away comes at least a release after the
code that no longer needs it; then this test has to be told, and `schema.check` to refuse the code before that.
"""

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, text

from shared.settings import Settings
from shared.store import schema
from shared.store.engine import Database
from tests.integration.store.schema_breaches import breaches, schema_of, use
from tests.services import Postgres

# Before it there was nothing to upgrade from.
FIRST = "0002"

NOTE = (
    "CREATE TABLE note (id TEXT NOT NULL, body TEXT, size BIGINT, kind VARCHAR DEFAULT 'x' NOT NULL, PRIMARY KEY (id))"
)


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", "shared.store:migrations")
    config.set_main_option("path_separator", "os")
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    return sorted(one for one in known if one >= FIRST)


def made(ddl: str) -> MetaData:
    """The schema that this makes."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text(ddl))
        found = schema_of(connection)
    engine.dispose()
    return found


def test_code_of_one_revision_works_on_the_schema_of_the_next(empty_database_url: str) -> None:
    settings = Settings(database_url=empty_database_url)
    database = Database(empty_database_url)
    first, *later = revisions()
    schema.migrate(settings, first)
    for revision in later:
        with database.write() as connection:
            before = schema_of(connection)
            use(connection, before, 1)
        schema.migrate(settings, revision)
        with database.write() as connection:
            found = breaches(before, schema_of(connection))
            assert not found, f"migration {revision} breaks processes of the revision before it: {'; '.join(found)}"
            use(connection, before, 2)
    database.close()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("CREATE TABLE memo (id VARCHAR)", "note is gone"),
        (NOTE.replace("body TEXT", "text TEXT"), "note.body is gone"),
        (NOTE.replace("size BIGINT", "size INTEGER"), "note.size was BIGINT and is INTEGER"),
        (NOTE.replace("body TEXT", "body TEXT NOT NULL"), "note.body may no longer be NULL"),
        (NOTE.replace("DEFAULT 'x' ", ""), "note.kind has lost its default"),
        (NOTE.replace("PRIMARY", "owner TEXT NOT NULL, PRIMARY"), "note.owner is new and wants a value"),
        (NOTE.replace("PRIMARY", "UNIQUE (body), PRIMARY"), "note has a new rule: unique (body)"),
        (NOTE.replace("PRIMARY", "CHECK (size > 0), PRIMARY"), "note has a new rule: check size > 0"),
        (NOTE.replace("body TEXT", "body TEXT REFERENCES note (id)"), "note has a new rule: (body) is of note"),
    ],
)
def test_what_would_break_older_code_is_named(changed: str, told: str) -> None:
    assert breaches(made(NOTE), made(changed)) == [told]


@pytest.mark.parametrize("more", ["body2 TEXT", "n INTEGER NOT NULL DEFAULT 0"])
def test_what_only_adds_is_allowed(more: str) -> None:
    wider = NOTE.replace("PRIMARY", f"{more}, PRIMARY").replace("kind VARCHAR", "kind TEXT")
    assert breaches(made(NOTE), made(wider)) == []


def test_a_migration_does_not_queue_for_a_table_that_somebody_holds_for_long(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes later would queue behind it: a backup under way would stop the whole service."""
    monkeypatch.setattr(schema, "_LOCK_SECONDS", 0.2)
    url = postgres.create_database("busy_schema")
    settings = Settings(database_url=url)
    schema.migrate(settings, "0006")
    with psycopg.connect(url, options="-c idle_in_transaction_session_timeout=10s") as backup:
        backup.execute("LOCK TABLE api_process IN ACCESS SHARE MODE")
        with pytest.raises(schema.SchemaBusy, match="Nothing was changed"):
            schema.migrate(settings)
    schema.migrate(settings)
    postgres.drop_database("busy_schema")
