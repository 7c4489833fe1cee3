"""What `TURNSTONE_ENV=production` does not start with: each a setting that is fine on one's own machine alone."""

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import structlog

from shared.core import amqp_address, redis_address, service_url
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
        if url is not None and _is_unverified(url.get_secret_value()):
            yield f"{PREFIX}{name} switches off the check of the server's certificate: anyone could pass for it."
    secret = settings.secret_key.get_secret_value() if settings.secret_key else None
    if secret is None:
        yield f"{PREFIX}SECRET_KEY is not set. Make one: openssl rand -base64 36"
    elif _is_guessable(secret):
        yield f"{PREFIX}SECRET_KEY is not random. Make one: openssl rand -base64 36"
    if "*" in settings.allowed_origins:
        yield f"{PREFIX}CORS_ORIGINS is *: pages of any site could call this server. Name the origins."


def _is_open(url: str) -> bool:
    if _is_amqp(url):
        parts = urlsplit(url)
        hosts, password = [parts.hostname or ""], parts.password
    else:
        address = redis_address.parse(url)
        hosts, password = [host for host, _ in address.hosts], address.password
    return password in (None, "", _RABBITMQ_DEFAULT) and not all(map(is_loopback, hosts))


def _is_unverified(url: str) -> bool:
    tls = amqp_address.parse(url)[1] if _is_amqp(url) else redis_address.parse(url).tls
    return tls is not None and not service_url.is_verified(tls)


def _is_amqp(url: str) -> bool:
    return url.partition(":")[0] in amqp_address.SCHEMES


def _is_guessable(secret: str) -> bool:
    return len(set(secret)) < _FEWEST_CHARACTERS or any(word in secret.lower() for word in _DEFAULTS)
