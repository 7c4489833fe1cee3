"""How many files and sockets a process may have open, how many it needs, and what it does with fewer."""

import resource
from dataclasses import dataclass
from typing import Final

import structlog

from shared.metrics import MISSING_DESCRIPTORS
from shared.settings import PREFIX, Settings

_BASE: Final = 40
"""Standard streams, event loops, the listener, logs, figures, libraries that are read while others are."""
_REDIS: Final = 32
_FILES_OF_A_CONNECTION: Final = 3
"""SQLite: the database, its log, a temporary file. A connection to Postgres is one, and opens others to break off."""
_ORDINARY: Final = 256
"""Connections for everything but streams, where there are as many as are needed."""
HEALTH_CONNECTIONS: Final = 16
"""Connections above the most there may be: on these, health checks are answered and all else is refused."""
_ARRIVING: Final = 24
"""Connections that were told to close and have not yet, while others arrive."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Needs:
    """Descriptors that each part wants for what is configured."""

    api: int
    worker: int

    @property
    def most(self) -> int:
        """Enough for any of our processes, and for Valkey, which holds a few connections for each of these."""
        return max(self.api, self.worker)


@dataclass(frozen=True, slots=True)
class Room:
    """What an API process may hold at once with the descriptors that it has."""

    streams: int
    connections: int
    """Of clients, streams included."""


def needs(settings: Settings) -> Needs:
    """What is needed for all that is configured. A stream may cost two: the client's and, passed on, the upstream's."""
    own = _own(settings)
    upstream_calls_and_webhooks = 2 * settings.worker_concurrency
    return Needs(
        api=own + HEALTH_CONNECTIONS + _ARRIVING + _ORDINARY + 2 * settings.streams_per_process,
        worker=own + upstream_calls_and_webhooks,
    )


def room(settings: Settings, limit: int) -> Room:
    """What fits into `limit` descriptors besides the process's own, the database, Redis and health checks."""
    free = max(4, limit - _own(settings) - HEALTH_CONNECTIONS - _ARRIVING)
    ordinary = min(_ORDINARY, free // 4)
    streams = max(1, min(settings.streams_per_process, (free - ordinary) // 2))
    return Room(streams, max(2, free - streams))


def raise_limit(wanted: int) -> int:
    """Raise this process's soft limit to `wanted`, as far as the hard one allows; the limit there is now."""
    soft, hard = _limits()
    if soft >= wanted:
        return soft
    limit = min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    except (OSError, ValueError):  # some systems have a lower bound of their own
        return soft
    return limit


def prepare(wanted: int, part: str) -> int:
    """Raise the limit for a `part` that wants so many, and say so where they cannot be had; the limit there is now."""
    limit = raise_limit(wanted)
    MISSING_DESCRIPTORS.set(max(0, wanted - limit))
    if limit < wanted:
        log.warning("too_few_file_descriptors", part=part, limit=limit, needed=wanted, advice=ADVICE)
    return limit


def obtainable() -> int:
    """The highest limit that a process started like this one can give itself."""
    return _limits()[1]


ADVICE: Final = (
    "raise the hard limit of open files (systemd: LimitNOFILE, containers: ulimits.nofile), "
    f"or lower {PREFIX}STREAMS_PER_PROCESS and {PREFIX}WORKER_CONCURRENCY"
)


def _own(settings: Settings) -> int:
    sqlite = settings.sql_url.startswith("sqlite")
    database = settings.database_pool_size * (_FILES_OF_A_CONNECTION if sqlite else 2)
    return _BASE + _REDIS + database


def _limits() -> tuple[int, int]:
    """The soft and the hard limit, numbers where there is none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = 2**31 - 1
    return (unlimited if soft == resource.RLIM_INFINITY else soft), (
        unlimited if hard == resource.RLIM_INFINITY else hard
    )
