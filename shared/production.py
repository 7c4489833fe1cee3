"""What `TURNSTONE_ENV=production` does not start with: each a setting that is fine on one's own machine alone."""

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import structlog

from shared.settings import PREFIX, Settings, SettingsError

_FEWEST_CHARACTERS: Final = 12
"""Different ones, of the 32 that a secret key has at least: random ones of any alphabet have more."""

_RABBITMQ_DEFAULT: Final = "guest"
_DEFAULTS: Final = ("change", "default", "example", "password", "secret", "turnstone")

log = structlog.get_logger()


def check(settings: Settings) -> None:
    """Raise SettingsError that names all that is wrong, in production."""
    if found := refusals(settings):
        raise SettingsError("\n".join(found))


def advise(settings: Settings) -> None:
    """Log what is allowed in production and seldom meant."""
    if settings.env == "production" and settings.sql_url.startswith("sqlite"):
        log.warning("sqlite_in_production", advice="fits one host whose disk is safe; otherwise Postgres")


def refusals(settings: Settings) -> list[str]:
    """What is wrong with these settings in production, one line each; in development nothing is."""
    return list(_refusals(settings)) if settings.env == "production" else []


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusals(settings: Settings) -> Iterator[str]:
    for name, url in (("REDIS_URL", settings.redis_url), ("BROKER_URL", settings.broker_url)):
        if url is not None and _is_open(url.get_secret_value()):
            yield f"{PREFIX}{name} has no password, and its host can be reached from elsewhere."
    secret = settings.secret_key.get_secret_value() if settings.secret_key else None
    if secret is None:
        yield f"{PREFIX}SECRET_KEY is not set. Make one: openssl rand -base64 36"
    elif _is_guessable(secret):
        yield f"{PREFIX}SECRET_KEY is not random. Make one: openssl rand -base64 36"
    if "*" in settings.allowed_origins:
        yield f"{PREFIX}CORS_ORIGINS is *: pages of any site could call this server. Name the origins."


def _is_open(url: str) -> bool:
    address = urlsplit(url)
    open_to_all = address.password in (None, "", _RABBITMQ_DEFAULT)
    return bool(address.hostname) and open_to_all and not is_loopback(address.hostname or "")


def _is_guessable(secret: str) -> bool:
    return len(set(secret)) < _FEWEST_CHARACTERS or any(word in secret.lower() for word in _DEFAULTS)
