"""`turnstone doctor` warns of what works today and will not for long; a warning is no failure."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from pydantic import SecretStr

from shared import descriptors
from shared.cli import doctor, doctor_checks
from shared.cli.embedded_valkey import EmbeddedValkey
from shared.settings import Settings
from shared.store import processes
from shared.store.database_clock import database_now
from shared.store.engine import Database
from shared.version import VERSION
from tests.integration.store.test_schema import set_revision
from tests.scripted_upstream import ScriptedUpstream
from tests.stored_turns import change, create

Check = Callable[[str, Settings], str]


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=database_url, data_dir=tmp_path)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Check]:
    """What the doctor prints of one part; it never counts as bad."""

    def run(name: str, settings: Settings) -> str:
        monkeypatch.setattr(doctor, "CHECKS", [one for one in doctor_checks.CHECKS if one[0] == name])
        assert doctor.run(settings)
        return capsys.readouterr().out

    return run


def beat(database: Database, name: str, version: str = VERSION) -> None:
    with database.write() as connection:
        processes.beat(connection, processes.WORKER, name, version)


def test_of_a_schema_that_is_ahead(check: Check, settings: Settings, database: Database) -> None:
    assert check("database", settings).startswith("ok")
    set_revision(database, "9999")
    said = check("database", settings)
    assert said.startswith("warn")
    assert "schema 9999: newer than this version" in said


def test_of_a_turn_that_no_worker_takes(check: Check, settings: Settings, database: Database) -> None:
    turn = create(database)
    create(database, previous_response_id=turn.id)
    assert check("turns", settings) == "ok   turns     0 running, 2 queued\n"
    change(database, turn.id, dispatched_at=database_now() - 75)
    said = check("turns", settings)
    assert said.startswith("warn")
    assert "ready for 75 s without a worker" in said


def test_of_processes_of_another_version(check: Check, settings: Settings, database: Database) -> None:
    beat(database, "w1")
    assert check("processes", settings).startswith("ok   processes 1 workers, 0 API processes")
    beat(database, "w2", "0.0.9")
    assert "others run 0.0.9" in check("processes", settings)


def test_of_more_connections_than_postgres_takes(check: Check, postgres_database_url: str, tmp_path: Path) -> None:
    database = Database(postgres_database_url)
    for number in range(10):
        beat(database, f"w{number}")
    database.close()
    settings = Settings(database_url=postgres_database_url, database_pool_size=19, data_dir=tmp_path)
    assert check("processes", settings).startswith("ok")
    said = check("processes", settings.model_copy(update={"database_pool_size": 20}))
    assert "they may open 200 connections, and the database takes 197" in said


def test_of_a_disk_that_is_nearly_full(check: Check, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, told in ((50, "ok"), (4, "warn")):
        disk = SimpleNamespace(total=100 * 1024**3, free=free * 1024**3)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, disk=disk: disk)
        assert check("disk", settings).startswith(told)


def test_of_a_redis_that_is_nearly_full(check: Check, own_valkey: EmbeddedValkey) -> None:
    settings = Settings(redis_url=SecretStr(own_valkey.url))
    with redis.Redis.from_url(own_valkey.url) as client:
        used = client.info("memory")["used_memory"]
        for most, told in ((2 * used, "ok"), (used * 23 // 20, "warn")):
            client.config_set("maxmemory", most)
            assert check("redis", settings).startswith(told)


def test_of_an_upstream_that_lists_no_models(check: Check) -> None:
    """Some servers have no such path; turns do not ask for it."""
    with ScriptedUpstream() as server:
        said = check("upstream", Settings(upstream_base_url=f"{server.base_url}/somewhere"))
    assert said.startswith("warn")
    assert "turns do not need its list of models" in said


def test_of_fewer_open_files_than_are_needed(check: Check, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check("files", settings).startswith("ok")
    monkeypatch.setattr(descriptors, "obtainable", lambda: 1024)
    said = check("files", settings)
    assert said.startswith("warn")
    assert "1024 at most" in said
    assert "LimitNOFILE" in said
