"""What leaves the server and must come back unread and unchanged, sealed with its secret key."""

import base64

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
