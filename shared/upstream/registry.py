"""Which upstream serves a model: one for all."""

from typing import Any

from shared.settings import PREFIX, Settings, SettingsError
from shared.upstream.base import Kind, Upstream
from shared.upstream.chat_completions import ChatCompletions


class Upstreams:
    """The model servers of one process; raises SettingsError when none is configured."""

    def __init__(self, settings: Settings) -> None:
        self._only = _upstream(settings)

    def of(self, model: str) -> Upstream:  # noqa: ARG002 - one serves all
        """The upstream that serves `model`; raises InvalidRequest naming `model` when none does."""
        return self._only

    def kind_of(self, model: str) -> Kind:
        """What the upstream of `model` speaks; raises InvalidRequest as `of` does."""
        return self.of(model).kind

    async def models(self) -> list[dict[str, Any]]:
        """The models of all upstreams, as OpenAI model objects."""
        return await self._only.models()

    async def close(self) -> None:
        """Close all connections, on the loop that used them, once every stream has ended."""
        await self._only.close()


def _upstream(settings: Settings) -> Upstream:
    if settings.upstream_base_url is None:
        raise SettingsError(
            f"{PREFIX}UPSTREAM_BASE_URL is not set. "
            "Point it at a Chat Completions server, or start everything, a demo upstream included, with `turnstone up`."
        )
    key = settings.upstream_api_key
    return ChatCompletions(
        base_url=settings.upstream_base_url,
        api_key=key.get_secret_value() if key else None,
        connect_seconds=settings.upstream_connect_seconds,
        first_byte_seconds=settings.upstream_first_byte_seconds,
        idle_seconds=settings.upstream_idle_seconds,
        attempts=settings.upstream_attempts,
    )
