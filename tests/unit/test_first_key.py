"""A server starts with a key, or open on loopback; never open where others could reach it."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import first_key
from shared.core import api_key
from shared.settings import Settings, SettingsError
from shared.store import api_keys
from shared.store.engine import Database


@pytest.fixture
def settings(sqlite_database_url: str) -> Settings:
    return Settings(database_url=sqlite_database_url, host="127.0.0.1")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.sql_url)
    yield database
    database.close()


def on(settings: Settings, host: str) -> Settings:
    return settings.model_copy(update={"host": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_without_a_key_it_is_open_on_loopback(settings: Settings, host: str) -> None:
    first_key.check(on(settings, host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "turnstone.example", "127.0.0.1.example"])
def test_without_a_key_it_starts_nowhere_else(settings: Settings, host: str) -> None:
    with pytest.raises(SettingsError, match="no API key"):
        first_key.check(on(settings, host))


def test_in_production_it_starts_nowhere_without_a_key(settings: Settings) -> None:
    """On loopback neither: there it stands behind a proxy."""
    with pytest.raises(SettingsError, match="no API key"):
        first_key.check(settings.model_copy(update={"env": "production"}))


def test_a_bootstrap_key_is_made_once_for_this_user_alone(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "first.key"
    for _ in range(2):
        first_key.check(on(settings, "0.0.0.0").model_copy(update={"bootstrap_key_file": file}))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with database.read() as connection:
        (key,) = api_keys.everyone(connection)
    assert key.caller.admin
    assert key.opens(file.read_text(), key.created_at)
    assert key.prefix == api_key.prefix_of(file.read_text())


@pytest.mark.parametrize("content", ["", "secret", "sk-ts-abc"])
def test_a_bootstrap_file_without_a_key_is_refused_by_name(settings: Settings, tmp_path: Path, content: str) -> None:
    file = tmp_path / "first.key"
    file.write_text(content)
    with pytest.raises(SettingsError, match="BOOTSTRAP_KEY_FILE") as refused:
        first_key.check(settings.model_copy(update={"bootstrap_key_file": file}))
    assert not content or content not in str(refused.value).replace("sk-ts-…", "")


def test_a_bootstrap_file_that_cannot_be_made_is_refused_by_name(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="BOOTSTRAP_KEY_FILE: No such file"):
        first_key.check(settings.model_copy(update={"bootstrap_key_file": tmp_path / "absent" / "first.key"}))


def test_a_server_once_closed_starts_anywhere(settings: Settings, tmp_path: Path) -> None:
    first_key.check(settings.model_copy(update={"bootstrap_key_file": tmp_path / "first.key"}))
    first_key.check(on(settings, "0.0.0.0"))
