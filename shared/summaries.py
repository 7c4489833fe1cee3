"""Summaries that leave the server, sealed: only turns of the same owner, on a server with the same key, open them."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import InvalidRequest
from shared.sealing import OwnerSeal
from shared.settings import Settings

_PURPOSE = "compaction"


@dataclass(frozen=True, slots=True)
class Summaries:
    """Seals and opens the text of compaction items."""

    seal: OwnerSeal | None

    @classmethod
    def of(cls, settings: Settings) -> "Summaries":
        """Without a secret key none can be made, and none opens."""
        secret = settings.secret_key
        return cls(OwnerSeal(secret.get_secret_value(), _PURPOSE) if secret else None)

    def close(self, owner: str, summary: str) -> str:
        """The summary, sealed for its owner; raises InvalidRequest when this server seals nothing."""
        return self._sealer().close(owner, summary)

    def refuse_unsealed(self) -> None:
        """Raise InvalidRequest when this server seals nothing: before a model is asked for what could not be given."""
        self._sealer()

    def opener(self, owner: str) -> Callable[[str], str | None]:
        """Opens what was sealed for `owner`; None for anything else."""
        return lambda sealed: self.seal.open(owner, sealed) if self.seal else None

    def _sealer(self) -> OwnerSeal:
        if self.seal is None:
            raise InvalidRequest(
                "This server has no TURNSTONE_SECRET_KEY to seal summaries with.", code="no_secret_key"
            )
        return self.seal
