"""Redis as the API and the workers reach it, under names of the test's own."""

from collections.abc import AsyncIterator

import pytest

from shared.stream.connections import AsyncRedis, connect_async
from shared.stream.keys import Keys


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[AsyncRedis]:
    """A connection to the session's Valkey."""
    client = connect_async(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def keys(key_prefix: str) -> Keys:
    """The test's own names."""
    return Keys(key_prefix)
