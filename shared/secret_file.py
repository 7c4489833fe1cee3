"""Secrets that nobody typed, kept in files."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def read_or_make(file: Path, make: Callable[[], str]) -> str:
    """The secret in `file`, made at the first start and the same at each later one, readable by this user alone."""
    if not file.exists():
        # Whole or not at all, and the first of several processes wins: a half of one would be the secret for ever.
        draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(make())
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text().strip()
