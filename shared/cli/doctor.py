"""`turnstone doctor`: one line per part, and what to do where something is wrong.

Each check imports what it checks, so that one broken part leaves the other lines standing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from shared import production
from shared.cli.embedded_valkey import with_embedded_valkey
from shared.errors import UpstreamError
from shared.settings import PREFIX, Settings, SettingsError

_NAME_WIDTH = 9


class Trouble(Exception):
    """A part is not well; `advice` says what to do about it."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


@dataclass(frozen=True)
class Finding:
    """What a check found; with advice when something is wrong."""

    name: str
    text: str
    advice: str | None = None

    def __str__(self) -> str:
        line = f"{'ok ' if self.advice is None else 'BAD'}  {self.name:<{_NAME_WIDTH}} {self.text}"
        return line if self.advice is None else f"{line}\n     {'':<{_NAME_WIDTH}} → {self.advice}"


def run(settings: Settings) -> bool:
    """Print what was found; true when nothing is wrong."""
    settings = with_embedded_valkey(settings)
    findings = []
    for name, check, advice in CHECKS:
        findings.append(_examine(name, check, advice, settings))
        print(findings[-1], flush=True)
    return all(finding.advice is None for finding in findings)


def _examine(name: str, check: Callable[[Settings], str], advice: str, settings: Settings) -> Finding:
    try:
        return Finding(name, check(settings))
    except Trouble as trouble:
        return Finding(name, str(trouble), trouble.advice)
    except SettingsError as error:
        return Finding(name, "not configured", str(error))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one part is that part's finding
        lines = str(error).splitlines()
        return Finding(name, f"{type(error).__name__}: {lines[0] if lines else 'no more is known'}", advice)


def _settings(settings: Settings) -> str:
    if refused := production.refusals(settings):
        raise Trouble(f"{len(refused)} not fit for production", " ".join(refused))
    return f"{settings.env}" + (f"; {PREFIX}ENV=production checks more" if settings.env == "development" else "")


def _database(settings: Settings) -> str:
    from shared.store import engine, schema

    if settings.database_url is None and not (settings.data_dir / "turnstone.sqlite3").exists():
        raise Trouble(f"there is none yet in {settings.data_dir}", "run `turnstone up` or `turnstone migrate`")
    database = engine.Database(settings.sql_url, pool_size=1)
    try:
        schema.check(database)
        return f"{database.engine.dialect.name}, schema {schema.revision_of(database)}"
    except schema.SchemaBehind as behind:
        raise Trouble(str(behind), "run `turnstone migrate`") from None
    finally:
        database.close()


def _redis(settings: Settings) -> str:
    from shared.stream import connections

    with connections.connect(settings.redis) as client:
        client.ping()
        try:
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "unknown")
        except connections.RedisError:
            return "answers; it does not tell its maxmemory-policy, which has to be noeviction"
    if policy != "noeviction":
        raise Trouble(f"maxmemory-policy is {policy}: it may drop messages and live logs", "set it to noeviction")
    return "answers, maxmemory-policy noeviction"


def _broker(settings: Settings) -> str:
    from shared import queue

    with queue.celery_app(settings).connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=3)
        return f"{connection.transport_cls} takes connections"


def _workers(settings: Settings) -> str:
    from shared import queue

    replies = queue.celery_app(settings).control.ping(timeout=1.5)
    names = sorted(name for reply in replies for name in reply)
    if not names:
        raise Trouble("none answers: turns are accepted but not run", "start one with `turnstone worker`")
    return ", ".join(names)


def _upstream(settings: Settings) -> str:
    if settings.upstream_base_url is None and settings.upstreams_file is None:
        return f"none configured; `turnstone up` uses its demonstration until {PREFIX}UPSTREAM_BASE_URL is set"
    return asyncio.run(_models(settings))


async def _models(settings: Settings) -> str:
    from shared.upstream import registry

    upstreams = registry.Upstreams(settings)
    try:
        served = await upstreams.served()
    finally:
        await upstreams.close()
    lines = [f"{name} {_served(models)}" for name, models in served.items()]
    if any(isinstance(models, UpstreamError) for models in served.values()):
        raise Trouble("; ".join(lines), f"check {settings.upstreams_file or PREFIX + 'UPSTREAM_BASE_URL'} and its keys")
    return "; ".join(lines)


def _served(models: list[str] | UpstreamError) -> str:
    return f"fails: {models}" if isinstance(models, UpstreamError) else f"serves {', '.join(models[:5]) or 'no model'}"


CHECKS: tuple[tuple[str, Callable[[Settings], str], str], ...] = (
    ("settings", _settings, ""),
    ("database", _database, f"check {PREFIX}DATABASE_URL and that the server runs"),
    ("redis", _redis, f"check {PREFIX}REDIS_URL and that the server runs"),
    ("broker", _broker, f"check {PREFIX}BROKER_URL, or {PREFIX}REDIS_URL, and that the server runs"),
    ("workers", _workers, "they are reached through the broker; get that right first"),
    ("upstream", _upstream, f"check {PREFIX}UPSTREAM_BASE_URL and {PREFIX}UPSTREAM_API_KEY"),
)
