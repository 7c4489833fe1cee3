"""`turnstone purge`: erase old responses now, without the rests that the sweeper takes."""

from shared.cli.durations import seconds
from shared.cli.errors import CommandError
from shared.cli.opened_database import opened
from shared.settings import PREFIX, Settings
from shared.store import operators
from shared.store.engine import Database
from shared.turns.purge import Purge

_DAY_SECONDS = 86_400


def purge(settings: Settings, older_than: str | None, *, dry_run: bool) -> str:
    """What was done, or would be; raises CommandError when nothing says what is old."""
    age_seconds = _age_seconds(settings, older_than)
    with opened(settings) as database:
        if dry_run:
            with database.read() as connection:
                return f"{operators.count_purgeable(connection, age_seconds)} responses would be erased"
        erased = _purge(database, age_seconds)
        database.empty_log()
    return f"{erased} responses erased"


def _age_seconds(settings: Settings, older_than: str | None) -> float:
    if older_than is not None:
        return seconds(older_than)
    if settings.retention_days is None:
        raise CommandError(f"What is old? Say --older-than, or set {PREFIX}RETENTION_DAYS.")
    return settings.retention_days * _DAY_SECONDS


def _purge(database: Database, age_seconds: float) -> int:
    step = Purge(database, lambda: age_seconds).step
    return sum(iter(step, None))
