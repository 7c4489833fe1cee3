"""Signing secrets of webhook endpoints: kept sealed, since they must sign again."""

from dataclasses import dataclass

from shared.errors import InvalidRequest
from shared.sealing import Seal
from shared.settings import Settings

_PURPOSE = "webhook"


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """Seals and opens signing secrets."""

    seal: Seal | None

    @classmethod
    def of(cls, settings: Settings) -> "WebhookSecrets":
        """Without a secret key none can be kept, and none opens."""
        secret = settings.secret_key
        return cls(Seal(secret.get_secret_value(), _PURPOSE) if secret else None)

    def close(self, secret: str) -> str:
        """The secret, sealed; raises InvalidRequest when this server seals nothing."""
        if self.seal is None:
            raise InvalidRequest(
                "This server has no TURNSTONE_SECRET_KEY to keep signing secrets with.", code="no_secret_key"
            )
        return self.seal.close(secret.encode())

    def open(self, sealed: tuple[str, ...]) -> list[str]:
        """Those secrets that were sealed with this server's key."""
        opened = [self.seal.open(one) for one in sealed] if self.seal else []
        return [secret.decode() for secret in opened if secret is not None]
