"""An API process holds what its connections remember, for as long as they do."""

import asyncio

import pytest

from api import drain, held_turns
from api.runtime import ApiRuntime
from api.websocket_memory import ConnectionMemory
from shared.settings import Settings
from shared.store.database_clock import database_now
from shared.store.engine import Database
from tests.eventually import eventually_async
from tests.stored_turns import answered, change, row

pytestmark = pytest.mark.anyio


async def test_what_a_connection_remembers_is_held_until_it_forgets(
    database: Database, database_url: str, redis_url: str, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_turns, "_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(drain, "stop_event", asyncio.Event)
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        key_prefix=key_prefix,
        upstream_base_url="http://127.0.0.1:1/v1",
    )
    runtime = ApiRuntime(settings)
    await runtime.start()
    try:
        memory = ConnectionMemory(runtime.held)
        first, second = (answered(database, "hi", "ho", store=False, background=False).id for _ in range(2))
        for response_id in (first, second):
            memory.remember(response_id)
            await prolonged(database, response_id)
        memory.forget(first)
        change(database, first, erase_at=database_now() + 5)
        await prolonged(database, second)
        await prolonged(database, second)
        assert row(database, first)["erase_at"] < row(database, second)["erase_at"] - 30
    finally:
        await runtime.close()


async def prolonged(database: Database, response_id: str) -> None:
    """Return when the turn, whose time is nearly up, is held anew."""
    change(database, response_id, erase_at=database_now() + 5)
    before = row(database, response_id)["erase_at"]

    async def held() -> bool:
        return bool(row(database, response_id)["erase_at"] > before + 30)

    await eventually_async(held)
