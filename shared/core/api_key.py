"""API keys: `sk-ts-`, a prefix by which a key is found, `-`, and the secret; who holds one, and what that allows."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

_FORM: Final = re.compile(r"sk-ts-([0-9a-f]{12})-[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `models`: patterns of the models it may use; None for all."""

    owner: str
    admin: bool = False
    models: tuple[str, ...] | None = None

    def may_use(self, model: str) -> bool:
        """Whether one of the patterns fits."""
        return self.models is None or any(fnmatchcase(model, pattern) for pattern in self.models)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is stored of a key. Times are seconds since the epoch."""

    prefix: str
    digest: str
    caller: Caller
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def opens(self, key: str, at: float) -> bool:
        """Whether `key` is this one and still good; takes as long for a wrong secret as for a right one."""
        good = self.revoked_at is None and (self.expires_at is None or at < self.expires_at)
        return hmac.compare_digest(self.digest, digest(key)) and good


def prefix_of(key: str) -> str | None:
    """The part by which the key is found; None for what has not the form of a key."""
    form = _FORM.fullmatch(key)
    return form[1] if form else None


def digest(key: str) -> str:
    """What is kept in place of the key. Its secret is 32 random bytes: a slow hash would protect nothing more."""
    return hashlib.sha256(key.encode()).hexdigest()
