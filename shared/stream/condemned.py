"""Connections are not kept to a server that refuses: a new one resolves the name anew and may reach another."""

from typing import Any

import redis
import redis.asyncio as aioredis

from shared.redis_failures import condemns_connection


def renew_connections(client: redis.Redis) -> redis.Redis:
    """Have the client close a connection that was refused once it is given back, and at once all that are idle."""
    pool = client.connection_pool
    pool.connection_class = type("Connection", (_Condemned, pool.connection_class), {"pool": pool})
    return client


def renew_connections_async(client: aioredis.Redis) -> aioredis.Redis:
    """The same for an asyncio client."""
    pool = client.connection_pool
    pool.connection_class = type("Connection", (_CondemnedAsync, pool.connection_class), {"pool": pool})
    return client


class _Condemned:
    pool: redis.ConnectionPool

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]  # of the connection it is mixed into
        except redis.ResponseError as error:
            if condemns_connection(error):
                self.mark_for_reconnect()  # type: ignore[attr-defined]
                self.pool.disconnect(inuse_connections=False)
            raise


class _CondemnedAsync:
    pool: aioredis.ConnectionPool

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except redis.ResponseError as error:
            if condemns_connection(error):
                self.mark_for_reconnect()  # type: ignore[attr-defined]
                await self.pool.disconnect(inuse_connections=False)
            raise
