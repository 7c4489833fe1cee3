"""What leaves the server and must come back unread and unchanged, sealed with its secret key."""

import base64

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Seal:
    """Encrypts and signs for one purpose; what was sealed for another does not open."""

    def __init__(self, secret: str, purpose: str) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def close(self, content: bytes) -> str:
        """The content, sealed; safe in URLs."""
        return self._fernet.encrypt(content).decode()

    def open(self, sealed: str, within_seconds: int | None = None) -> bytes | None:
        """What was sealed, at most so long ago; None when it was not sealed here, was changed, or is too old."""
        try:
            return self._fernet.decrypt(sealed, within_seconds)
        except (InvalidToken, ValueError):
            return None


class OwnerSeal:
    """Seals texts for their owners: what is one's own opens for nobody else."""

    def __init__(self, secret: str, purpose: str) -> None:
        self._seal = Seal(secret, purpose)

    def close(self, owner: str, text: str) -> str:
        """The text, sealed for `owner`."""
        return self._seal.close(orjson.dumps([owner, text]))

    def open(self, owner: str, sealed: str) -> str | None:
        """What was sealed for `owner`; None for anything else."""
        opened = self._seal.open(sealed)
        if opened is None:
            return None
        sealed_for, text = orjson.loads(opened)
        return str(text) if sealed_for == owner else None
