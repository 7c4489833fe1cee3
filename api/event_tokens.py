"""Short-lived tokens that open one response's events: a browser's EventSource cannot send an API key."""

from dataclasses import dataclass

import orjson

from shared.errors import InvalidRequest
from shared.sealing import Seal
from shared.settings import Settings

TOKEN_SECONDS = 300
_PURPOSE = "event token"


@dataclass(frozen=True, slots=True)
class EventTokens:
    """Makes and reads tokens. A token says who asked and for which response; anything else does not open."""

    seal: Seal | None

    @classmethod
    def of(cls, settings: Settings) -> "EventTokens":
        """Without a secret key there are none: each process would make its own."""
        secret = settings.secret_key
        return cls(Seal(secret.get_secret_value(), _PURPOSE) if secret else None)

    def make(self, owner: str, response_id: str) -> str:
        """A token; raises InvalidRequest when this server makes none."""
        if self.seal is None:
            raise InvalidRequest("This server has no TURNSTONE_SECRET_KEY to sign tokens with.", code="no_secret_key")
        return self.seal.close(orjson.dumps([owner, response_id]))

    def owner(self, token: str, response_id: str) -> str | None:
        """Who may read this response's events by `token`; None when nobody may."""
        opened = self.seal.open(token, TOKEN_SECONDS) if self.seal else None
        if opened is None:
            return None
        owner, opens = orjson.loads(opened)
        return str(owner) if opens == response_id else None
