"""Which upstream serves a turn: one for all models."""

from shared.settings import PREFIX, Settings, SettingsError
from shared.upstream.base import Upstream
from shared.upstream.chat_completions import ChatCompletions


def upstream_for(settings: Settings) -> Upstream:
    """The configured upstream; raises SettingsError when there is none."""
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
