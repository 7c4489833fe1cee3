"""What leaves the server, or lies in its database, and must come back unread and unchanged: sealed with its key."""

import base64
from collections.abc import Iterable
from enum import Enum

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from shared.errors import InvalidRequest


class Purpose(Enum):
    """What is sealed; each has a key of its own, made with its name. And what a server without a key cannot do."""

    EVENT_TOKEN = ("event token", "sign tokens")
    REASONING = ("reasoning", "seal reasoning")
    SUMMARY = ("compaction", "seal summaries")
    WEBHOOK_SECRET = ("webhook", "keep signing secrets")


class Seal:
    """Encrypts and signs texts for one purpose, each bound to a name: under another of either it does not open.

    Without the server's secret key none is sealed, and none opens.
    """

    def __init__(self, key: SecretStr | None, purpose: Purpose) -> None:
        name, self._use = purpose.value
        self._fernet = _fernet(key, name) if key else None

    @property
    def available(self) -> bool:
        """Whether anything can be sealed."""
        return self._fernet is not None

    def require(self) -> None:
        """Raise InvalidRequest when nothing can be sealed: before work is done for what could not be given."""
        self._required()

    def close(self, bound_to: str, text: str) -> str:
        """The text, sealed; safe in URLs. Raises InvalidRequest when nothing can be sealed."""
        return self._required().encrypt(orjson.dumps([bound_to, text])).decode()

    def open(self, bound_to: str, sealed: str, within_seconds: int | None = None) -> str | None:
        """The text, sealed at most so long ago; None when it was not sealed here, was changed, or is too old."""
        try:
            opened = self._fernet.decrypt(sealed, within_seconds) if self._fernet else None
        except (InvalidToken, ValueError):
            return None
        if opened is None:
            return None
        name, text = orjson.loads(opened)
        return str(text) if name == bound_to else None

    def open_each(self, bound_to: str, sealed: Iterable[str]) -> list[str]:
        """Those of the texts that open."""
        opened = (self.open(bound_to, one) for one in sealed)
        return [text for text in opened if text is not None]

    def _required(self) -> Fernet:
        if self._fernet is None:
            message = f"This server has no TURNSTONE_SECRET_KEY to {self._use} with."
            raise InvalidRequest(message, code="no_secret_key")
        return self._fernet


def _fernet(key: SecretStr, purpose: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=purpose.encode()).derive(key.get_secret_value().encode())
    return Fernet(base64.urlsafe_b64encode(derived))
