"""`turnstone keys`: make, list and revoke API keys. A key is shown once, when it is made."""

import re
from datetime import UTC, datetime
from typing import Final

from shared import clock, ids
from shared.cli.durations import seconds
from shared.cli.errors import CommandError
from shared.cli.opened_database import opened
from shared.core import api_key
from shared.core.api_key import ApiKey, Caller
from shared.settings import Settings
from shared.store import api_keys

_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def create(settings: Settings, caller: Caller, lasts: str | None) -> str:
    """A new key; its text is kept nowhere. `lasts`: for example `90d`."""
    if not _OWNER.fullmatch(caller.owner):
        raise CommandError("An owner is 1 to 64 letters, digits, dots, dashes, underscores or @, the first not a sign.")
    now = clock.now()
    key = ids.new_api_key()
    prefix = api_key.prefix_of(key)
    assert prefix, "new keys have the form of keys"
    expires_at = None if lasts is None else now + seconds(lasts)
    with opened(settings) as database, database.write() as connection:
        api_keys.add(connection, ApiKey(prefix, api_key.digest(key), caller, now, expires_at))
    return key


def table(settings: Settings) -> list[str]:
    """One line for each key, oldest first, below a heading."""
    with opened(settings) as database, database.read() as connection:
        keys = api_keys.everyone(connection)
    now = clock.now()
    heading = f"{'KEY':14}{'OWNER':24}{'SCOPE':8}{'STATE':10}{'CREATED':12}{'EXPIRES':12}MODELS"
    return [heading, *(_line(key, now) for key in keys)]


def revoke(settings: Settings, prefix: str) -> None:
    """Make a key worthless, within seconds, everywhere; raises CommandError when there is none."""
    with opened(settings) as database, database.write() as connection:
        known = api_keys.revoke(connection, api_key.prefix_of(prefix) or prefix, clock.now())
    if not known:
        raise CommandError(f"There is no key {prefix[:12]!r}; see `turnstone keys list`.")


def _line(key: ApiKey, now: float) -> str:
    scope = "admin" if key.caller.admin else "api"
    models = " ".join(key.caller.models) if key.caller.models is not None else "all"
    days = f"{_day(key.created_at):12}{_day(key.expires_at):12}"
    return f"{key.prefix:14}{key.caller.owner:24}{scope:8}{_state(key, now):10}{days}{models}"


def _state(key: ApiKey, now: float) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "good"


def _day(at: float | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, UTC).date().isoformat()
