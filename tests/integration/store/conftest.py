"""Databases for tests of the schema itself."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import Postgres


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind, without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new' / 'empty.sqlite3'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"empty_{secrets.token_hex(6)}"
    yield server.create_database(name)
    server.drop_database(name)
