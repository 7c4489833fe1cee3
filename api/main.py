"""The API application: `uvicorn --factory api.main:application`."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from api import (
    compaction,
    conversation_items,
    conversations,
    errors,
    events,
    first_key,
    health,
    input_tokens,
    openapi,
    pass_through,
    responses,
    status,
    stream_probe,
    webhook_endpoints,
    websocket,
    websocket_protocol,
)
from api.connections import CONNECTIONS, Connections
from api.request_context import RequestContext
from api.runtime import ApiRuntime
from shared import production, tracing
from shared.errors import TurnstoneError
from shared.logging import configure_logging
from shared.settings import Settings, SettingsError, load_settings

# A body may hold a million lists: with Python's own 700, looking for cycles took four times as long as reading it.
ALLOCATIONS_PER_COLLECTION = 50_000


def application() -> FastAPI:
    """The application over the environment's settings; ends the process with one line when it must not start."""
    try:
        settings = load_settings()
        configure_logging(settings)
        tracing.start(settings, "api")
        production.check(settings)
        production.advise(settings)
        first_key.check(settings)
    except (SettingsError, TurnstoneError) as error:
        # Not in the lifespan, whose errors are told with all the frames of the framework's start.
        raise SystemExit(f"turnstone api: {error}") from None
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
    return create_app(settings)


def create_app(settings: Settings) -> FastAPI:
    """The application over `settings`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, object], None]:
        runtime = app.state.runtime = ApiRuntime(settings)
        await runtime.start()
        # Twice as much, so that one a little too large is answered and not cut off.
        yield {
            websocket_protocol.MOST_BYTES: 2 * settings.max_body_bytes,
            CONNECTIONS: Connections(runtime.room.connections),
        }
        await runtime.close()
        await asyncio.to_thread(tracing.stop)

    app = FastAPIOffline(
        title="Turnstone", lifespan=lifespan, redirect_slashes=False, telemetry=tracing.of_application()
    )
    app.add_middleware(RequestContext)
    if settings.allowed_origins:
        _allow_origins(app, settings.allowed_origins)
    errors.install(app)
    app.include_router(responses.router)
    app.include_router(compaction.router)
    app.include_router(input_tokens.router)
    app.include_router(websocket.router)
    app.include_router(events.router)
    app.include_router(conversations.router)
    app.include_router(conversation_items.router)
    app.include_router(webhook_endpoints.router)
    app.include_router(pass_through.router)
    app.include_router(health.router)
    app.include_router(status.router)
    app.include_router(stream_probe.router)
    openapi.install(app)
    return app


def _allow_origins(app: FastAPI, origins: list[str]) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["x-request-id", "openai-poll-after-ms", "retry-after"],
    )
