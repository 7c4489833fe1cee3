"""Which upstream serves a model, and what it calls it."""

import asyncio
from fnmatch import fnmatchcase
from typing import Any, Final

import structlog

from shared.errors import InvalidRequest, UpstreamError, model_not_found
from shared.model_labels import MODELS
from shared.settings import Settings
from shared.upstream import upstreams_file
from shared.upstream.base import Upstream
from shared.upstream.chat_completions import ChatCompletions
from shared.upstream.native_responses import NativeResponses
from shared.upstream.route import Route, Way
from shared.upstream.upstreams_file import Table

_KINDS: Final = {"chat_completions": ChatCompletions, "responses": NativeResponses}

_LEARN_SECONDS: Final = 300.0
_LEARN_AGAIN_SECONDS: Final = 15.0

log = structlog.get_logger()


class Upstreams:
    """The model servers of one process; raises SettingsError when none is configured, or wrongly."""

    def __init__(self, settings: Settings) -> None:
        self._tables = upstreams_file.tables(settings)
        for table in self._tables:
            MODELS.learn([*table.aliases, *filter(_is_plain, table.models or ())])
        self._servers: dict[str, Upstream] = {table.name: _server(table, settings) for table in self._tables}

    def of(self, model: str) -> Route:
        """The way to `model`; raises InvalidRequest naming `model` when no upstream serves it."""
        table = self._table_of(model)
        theirs = table.aliases.get(model, model)
        followers = [other for name in table.fallbacks for other in self._tables if other.name == name]
        ways = [(other, other.aliases.get(model, theirs)) for other in (table, *followers)]
        return Route([Way(table.name, self._servers[table.name], name) for table, name in ways])

    async def models(self) -> list[dict[str, Any]]:
        """What can be asked for, as OpenAI model objects; an upstream that fails is left out unless all do."""
        listings = await asyncio.gather(*map(self._models_of, self._tables), return_exceptions=True)
        failures = [listing for listing in listings if isinstance(listing, BaseException)]
        if len(failures) == len(listings) or any(not isinstance(failure, UpstreamError) for failure in failures):
            raise failures[0]
        return [model for listing in listings if not isinstance(listing, BaseException) for model in listing]

    async def served(self) -> dict[str, list[str] | UpstreamError]:
        """For each upstream by name, the models it says it serves, or why it does not."""
        listings = await asyncio.gather(*(server.models() for server in self._servers.values()), return_exceptions=True)
        return dict(zip(self._servers, map(_names, listings), strict=True))

    async def learn_models(self) -> bool:
        """Have metrics tell the models apart that can be asked for now; whether every upstream has named its own."""
        served = await self.served()
        for names in served.values():
            if not isinstance(names, UpstreamError):
                MODELS.learn(name for name in names if self._is_served(name))
        return not any(isinstance(names, UpstreamError) for names in served.values())

    async def keep_models_known(self) -> None:
        """Learn them again and again, for ever."""
        while True:
            try:
                all_told = await self.learn_models()
            except Exception as error:  # noqa: BLE001 - nothing but the names in metrics hangs on it
                log.warning("models_not_learned", error=type(error).__name__)
                all_told = False
            await asyncio.sleep(_LEARN_SECONDS if all_told else _LEARN_AGAIN_SECONDS)

    async def close(self) -> None:
        """Close all connections, on the loop that used them, once every stream has ended."""
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    def _table_of(self, model: str) -> Table:
        """An alias stands above every pattern; among equals, the first in the file."""
        for table in self._tables:
            if model in table.aliases:
                return table
        for table in self._tables:
            if any(fnmatchcase(model, pattern) for pattern in table.models or ()):
                return table
        raise model_not_found(model)

    async def _models_of(self, table: Table) -> list[dict[str, Any]]:
        try:
            served = await self._servers[table.name].models()
        except UpstreamError as error:
            log.warning("models_not_listed", upstream=table.name, reason=error.message)
            raise
        alias = {"object": "model", "created": 0, "owned_by": table.name}
        aliases = [alias | {"id": name} for name in table.aliases if self._table_of(name) is table]
        return aliases + [model for model in served if self._reaches(model["id"], table)]

    def _reaches(self, model: str, table: Table) -> bool:
        return model not in table.aliases and self._is_served(model) and self._table_of(model) is table

    def _is_served(self, model: str) -> bool:
        try:
            self._table_of(model)
        except InvalidRequest:
            return False
        return True


def _server(table: Table, settings: Settings) -> Upstream:
    """What the table does not say of patience and attempts is as the environment has it."""
    return _KINDS[table.kind](
        name=table.name,
        base_url=table.base_url,
        api_key=table.api_key.get_secret_value() if table.api_key else None,
        headers=table.headers,
        connect_seconds=table.connect_seconds or settings.upstream_connect_seconds,
        first_byte_seconds=table.first_byte_seconds or settings.upstream_first_byte_seconds,
        idle_seconds=table.idle_seconds or settings.upstream_idle_seconds,
        attempts=table.attempts or settings.upstream_attempts,
        max_concurrent=table.max_concurrent,
    )


def _is_plain(pattern: str) -> bool:
    return not any(sign in pattern for sign in "*?[")


def _names(listing: list[dict[str, Any]] | BaseException) -> list[str] | UpstreamError:
    if isinstance(listing, UpstreamError):
        return listing
    if isinstance(listing, BaseException):
        raise listing
    return [str(model["id"]) for model in listing]
