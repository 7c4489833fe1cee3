"""API keys in SQL."""

from shared import ids
from shared.core import api_key
from shared.core.api_key import ApiKey, Caller
from shared.store import api_keys
from shared.store.engine import Database

NOW = 1_700_000_000.0


def made(owner: str = "anna", models: tuple[str, ...] | None = None) -> ApiKey:
    key = ids.new_api_key()
    return ApiKey(api_key.prefix_of(key) or "", api_key.digest(key), Caller(owner, True, models), NOW, NOW + 60)


def add(database: Database, key: ApiKey) -> None:
    with database.write() as connection:
        api_keys.add(connection, key)


def test_a_key_is_found_by_its_prefix_as_it_was_added(database: Database) -> None:
    keys = [made(), made("bert", ("llama*", "gpt-?"))]
    for key in keys:
        add(database, key)
    with database.read() as connection:
        assert [api_keys.find(connection, key.prefix) for key in keys] == keys
        assert api_keys.find(connection, "0" * 12) is None
        assert sorted(key.prefix for key in api_keys.everyone(connection)) == sorted(key.prefix for key in keys)


def test_a_prefix_that_is_taken_stays_whose_it_is(database: Database) -> None:
    key = made()
    add(database, key)
    add(database, ApiKey(key.prefix, "another", Caller("eve", admin=True), NOW))
    with database.read() as connection:
        assert api_keys.find(connection, key.prefix) == key


def test_a_revoked_key_stays_revoked_since_the_first_time(database: Database) -> None:
    """And it still counts: a server that was closed does not open again when its last key is revoked."""
    key = made()
    with database.read() as connection:
        assert not api_keys.any_exist(connection)
    add(database, key)
    for at in (NOW + 1, NOW + 2):
        with database.write() as connection:
            assert api_keys.revoke(connection, key.prefix, at)
    with database.write() as connection:
        found = api_keys.find(connection, key.prefix)
        assert found is not None
        assert found.revoked_at == NOW + 1
        assert api_keys.any_exist(connection)
        assert not api_keys.revoke(connection, "0" * 12, NOW)
