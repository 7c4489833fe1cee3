"""Fixtures for all kinds of tests: a real Valkey and both databases, and an environment without our settings."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

from shared.cli.embedded_valkey import EmbeddedValkey
from shared.cli.errors import CommandError
from shared.exposition import MULTIPROC_DIR
from shared.settings import PREFIX, Settings
from shared.store.engine import Database
from shared.store.schema import migrate
from tests.services import Postgres

# Two busy cores make any deadline a matter of luck; pytest-timeout bounds the whole test.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX) or name == MULTIPROC_DIR]:
        monkeypatch.delenv(name)


@pytest.fixture
def anyio_backend() -> str:
    """Async tests (`pytest.mark.anyio`) run on asyncio, as the product does."""
    return "asyncio"


@pytest.fixture
def key_prefix() -> str:
    """A prefix of this test's own, so that tests share one Valkey."""
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The session's Valkey. Tests that stop or flush one start their own (`own_valkey`)."""
    with _running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A running Valkey of this test's own; it keeps its port when stopped and started."""
    with _running_valkey(tmp_path / "valkey") as server:
        yield server


@contextmanager
def _running_valkey(directory: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(directory)
    try:
        server.start()
    except CommandError as error:
        _missing(str(error))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's Postgres."""
    try:
        server = Postgres()
    except ImportError as error:
        _missing(f"no Postgres for this machine: {error}")
    with server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """The session's Postgres, as the URL of its maintenance database."""
    return postgres.url()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    migrate(Settings(database_url=f"sqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_database_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """A fresh, migrated SQLite database."""
    path = tmp_path / "turnstone.sqlite3"
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_database_url(postgres: Postgres) -> Iterator[str]:
    """A fresh, migrated Postgres database."""
    name = f"test_{secrets.token_hex(6)}"
    yield postgres.create_migrated_database(name)
    postgres.drop_database(name)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database of each kind: one contract, one suite."""
    url: str = request.getfixturevalue(f"{request.param}_database_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The store's way to `database_url`."""
    opened = Database(database_url)
    yield opened
    opened.close()


def _missing(reason: str) -> NoReturn:
    """Skip where the machine cannot have the service; in CI, where it must, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
