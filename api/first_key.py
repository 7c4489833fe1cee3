"""Whether a server may start: with a key, or open to everyone where everyone is this machine."""

from pathlib import Path

import structlog

from api.key_ring import ONLY_OWNER
from shared import clock, ids
from shared.core import api_key
from shared.core.api_key import ApiKey, Caller
from shared.production import is_loopback
from shared.secret_file import read_or_make
from shared.settings import PREFIX, Settings, SettingsError
from shared.store import api_keys, schema
from shared.store.engine import Database, reachable

log = structlog.get_logger()


def check(settings: Settings) -> None:
    """Let the bootstrap key in; raises SettingsError for a server without any key that others could reach.

    Raises SchemaBehind for a database that could hold none, and DatabaseAway.
    """
    database = Database(settings.sql_url, pool_size=1)
    try:
        with reachable():
            schema.check(database)
            _check_keys(settings, database)
    finally:
        database.close()


def _check_keys(settings: Settings, database: Database) -> None:
    if settings.bootstrap_key_file is not None:
        _let_in(database, _read(settings.bootstrap_key_file))
    with database.read() as connection:
        if api_keys.any_exist(connection):
            return
    if settings.env == "production":
        raise SettingsError(f"There is no API key. Make one: `turnstone keys create`, or {PREFIX}BOOTSTRAP_KEY_FILE.")
    if not is_loopback(settings.host):
        raise SettingsError(
            f"There is no API key, and {settings.host} can be reached from elsewhere. Make one with "
            f"`turnstone keys create --owner NAME`, or set {PREFIX}BOOTSTRAP_KEY_FILE, or listen on 127.0.0.1."
        )
    log.warning("open_to_everyone", host=settings.host, until="the first `turnstone keys create`")


def _read(file: Path) -> str:
    try:
        key = read_or_make(file, ids.new_api_key)
    except OSError as error:
        raise SettingsError(f"{PREFIX}BOOTSTRAP_KEY_FILE: {error.strerror}: {file}") from None
    if api_key.prefix_of(key) is None:
        raise SettingsError(f"{PREFIX}BOOTSTRAP_KEY_FILE: {file} holds no API key of this server's form (sk-ts-…).")
    return key


def _let_in(database: Database, key: str) -> None:
    prefix = api_key.prefix_of(key)
    assert prefix, "was looked at before"
    stored = ApiKey(prefix, api_key.digest(key), Caller(ONLY_OWNER, admin=True), clock.now())
    with database.write() as connection:
        api_keys.add(connection, stored)
