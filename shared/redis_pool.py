"""Connections to the Redis at an address, the same for all clients: TCP, TLS, a socket, or Sentinel's master."""

from typing import Any

import redis
import redis.asyncio as aioredis
from redis import sentinel as sync_sentinel
from redis.asyncio import sentinel as async_sentinel

from shared.core.redis_address import RedisAddress

_TCP_ONLY = ("socket_keepalive", "socket_keepalive_options")


def client(address: RedisAddress, **options: Any) -> redis.Redis:
    """A synchronous client."""
    if address.service_name:
        found = sync_sentinel.Sentinel(address.hosts, sentinel_kwargs=_to_sentinel(address, options), **_ssl(address))
        return found.master_for(address.service_name, **address.login, **options)  # type: ignore[no-any-return]
    made = redis.ConnectionPool(connection_class=connection_class(address), **parameters(address, options))
    return redis.Redis.from_pool(made)


def async_client(address: RedisAddress, **options: Any) -> aioredis.Redis:
    """An asyncio client."""
    if address.service_name:
        found = async_sentinel.Sentinel(
            list(address.hosts), sentinel_kwargs=_to_sentinel(address, options), **_ssl(address)
        )
        return found.master_for(address.service_name, **address.login, **options)  # type: ignore[no-any-return]
    if address.path:
        kind: Any = aioredis.UnixDomainSocketConnection
    else:
        kind = aioredis.SSLConnection if address.tls else aioredis.Connection
    made = aioredis.ConnectionPool(connection_class=kind, **parameters(address, options))
    return aioredis.Redis.from_pool(made)


def connection_class(address: RedisAddress) -> Any:
    """The class of a synchronous connection."""
    if address.service_name:
        return sync_sentinel.SentinelManagedSSLConnection if address.tls else sync_sentinel.SentinelManagedConnection
    if address.path:
        return redis.UnixDomainSocketConnection
    return redis.SSLConnection if address.tls else redis.Connection


def parameters(address: RedisAddress, options: dict[str, Any]) -> dict[str, Any]:
    """What a connection is made with, of `options` those that fit it."""
    dropped = ("host", "port", *(_TCP_ONLY if address.path else ()))
    fit = {name: value for name, value in options.items() if name not in dropped}
    return fit | address.login | address.place


def sentinel_pool(address: RedisAddress, **options: Any) -> Any:
    """The pool of a synchronous client with Sentinel, `connection_class` among the options."""
    found = sync_sentinel.Sentinel(address.hosts, sentinel_kwargs=_to_sentinel(address, options))
    return sync_sentinel.SentinelConnectionPool(address.service_name, found, **options)


def _ssl(address: RedisAddress) -> dict[str, Any]:
    return {"ssl": True} if address.tls else {}


def _to_sentinel(address: RedisAddress, options: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in options.items() if name in ("socket_timeout", "socket_connect_timeout")}
    return kept | address.sentinel_login | _ssl(address)
