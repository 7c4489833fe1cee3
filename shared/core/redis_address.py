"""The one reading of a Redis URL, for every client of every process.

| form                                                          | meaning                                         |
|---------------------------------------------------------------|-------------------------------------------------|
| redis://USER:PASSWORD@HOST:6379/DB                            | one server                                      |
| rediss://…?ssl_ca_certs=FILE                                  | the same with TLS                               |
| unix://USER:PASSWORD@/PATH?db=DB, or redis+socket://          | a socket on this machine                        |
| sentinel://USER:PASSWORD@H1:26379,H2/DB?service_name=NAME     | the master that Sentinel names; `sentinels://`  |
|                                                               | with TLS to both                                |
"""

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote

from shared.core import service_url

_SOCKET: Final = ("unix", "redis+socket")
_SENTINEL: Final = ("sentinel", "sentinels")
_TLS: Final = ("rediss", "sentinels")
SCHEMES: Final = ("redis", "rediss", *_SOCKET, *_SENTINEL)
_SENTINEL_PARAMETERS: Final = {"service_name", "sentinel_username", "sentinel_password"}


@dataclass(frozen=True)
class RedisAddress:
    """Where Redis is and how to log in. `repr` shows no password."""

    hosts: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: dict[str, str | bool] | None = None
    service_name: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    @property
    def login(self) -> dict[str, Any]:
        """What redis-py's connections are told, wherever they lead."""
        return {"db": self.db, "username": self.username, "password": self.password, **(self.tls or {})}

    @property
    def sentinel_login(self) -> dict[str, Any]:
        """The same of connections to the Sentinels."""
        return {"username": self.sentinel_username, "password": self.sentinel_password, **(self.tls or {})}

    @property
    def place(self) -> dict[str, Any]:
        """Where one connection leads; nothing with Sentinel, which says so each time."""
        if self.service_name:
            return {}
        return {"path": self.path} if self.path else {"host": self.hosts[0][0], "port": self.hosts[0][1]}

    @property
    def public_url(self) -> str:
        """A URL for logs and for Celery, which prints it: without user and password."""
        if self.path:
            return f"redis+socket://{self.path}"
        host, port = self.hosts[0]
        return f"{'rediss' if self.tls else 'redis'}://{f'[{host}]' if ':' in host else host}:{port}/{self.db}"


def parse(url: str) -> RedisAddress:
    """Read a URL; raises ValueError in one line that quotes nothing of it."""
    parts = service_url.split(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"the scheme is one of {', '.join(SCHEMES)}")
    query = _query(parts)
    tls = service_url.tls_options(query) if parts.scheme in _TLS else None
    login: dict[str, Any] = {
        "username": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
    }
    if parts.scheme in _SOCKET:
        return RedisAddress(path=_path(parts), db=_database(query.get("db", query.get("virtual_host", ""))), **login)
    return RedisAddress(
        hosts=_hosts(parts),
        db=_database(parts.path.strip("/"), query.get("db", "")),
        tls=tls,
        service_name=query.get("service_name"),
        sentinel_username=query.get("sentinel_username"),
        sentinel_password=query.get("sentinel_password"),
        **login,
    )


def _query(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = dict(pairs)
    known = {"db"} | ({"virtual_host"} if parts.scheme in _SOCKET else set())
    known |= set(service_url.TLS_PARAMETERS) if parts.scheme in _TLS else set()
    known |= _SENTINEL_PARAMETERS if parts.scheme in _SENTINEL else set()
    if len(pairs) != len(query) or not all(query.values()):
        raise ValueError("a parameter is empty or given twice")
    if set(query) & service_url.TLS_PARAMETERS - known:
        raise ValueError("parameters of TLS need rediss://, or sentinels://")
    if not set(query) <= known:
        raise ValueError(f"a parameter is not one of {', '.join(sorted(known))}")
    if parts.scheme in _SENTINEL and "service_name" not in query:
        raise ValueError("Sentinel needs ?service_name=, the name of the master")
    return query


def _path(parts: SplitResult) -> str:
    path = unquote(parts.path)
    if parts.hostname or not path.strip("/"):
        raise ValueError("a socket is named by its whole path, as unix:///run/redis.sock")
    return path


def _hosts(parts: SplitResult) -> tuple[tuple[str, int], ...]:
    named = parts.netloc.rpartition("@")[2].split(",")
    default = 26379 if parts.scheme in _SENTINEL else 6379
    if len(named) > 1 and parts.scheme not in _SENTINEL:
        raise ValueError("several hosts need Sentinel (sentinel://); a cluster is not served")
    return tuple(_host(one, default) for one in named)


def _host(one: str, default: int) -> tuple[str, int]:
    parts = service_url.split(f"redis://{one}")
    if not parts.hostname:
        raise ValueError("a host is missing")
    return unquote(parts.hostname), parts.port or default


def _database(*said: str) -> int:
    numbers = {one for one in said if one}
    if len(numbers) > 1 or not all(one.isascii() and one.isdigit() for one in numbers):
        raise ValueError("the database is one number, 0 when it is left out")
    return int(numbers.pop()) if numbers else 0
