"""Summaries that leave the server, sealed: only turns of the same owner, on a server with the same key, open them."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from shared.errors import InvalidRequest
from shared.sealing import Seal
from shared.settings import Settings

_PURPOSE = "compaction"


@dataclass(frozen=True, slots=True)
class Summaries:
    """Seals and opens the text of compaction items."""

    seal: Seal | None

    @classmethod
    def of(cls, settings: Settings) -> "Summaries":
        """Without a secret key none can be made, and none opens."""
        secret = settings.secret_key
        return cls(Seal(secret.get_secret_value(), _PURPOSE) if secret else None)

    def close(self, owner: str, summary: str) -> str:
        """The summary, sealed for its owner; raises InvalidRequest when this server seals nothing."""
        return self._sealer().close(orjson.dumps([owner, summary]))

    def refuse_unsealed(self) -> None:
        """Raise InvalidRequest when this server seals nothing: before a model is asked for what could not be given."""
        self._sealer()

    def opener(self, owner: str) -> Callable[[str], str | None]:
        """Opens what was sealed for `owner`; None for anything else."""

        def opened(sealed: str) -> str | None:
            content = self.seal.open(sealed) if self.seal else None
            if content is None:
                return None
            sealed_for, summary = orjson.loads(content)
            return str(summary) if sealed_for == owner else None

        return opened

    def _sealer(self) -> Seal:
        if self.seal is None:
            raise InvalidRequest(
                "This server has no TURNSTONE_SECRET_KEY to seal summaries with.", code="no_secret_key"
            )
        return self.seal
