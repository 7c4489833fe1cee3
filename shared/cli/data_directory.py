"""One supervisor per data directory: a lock the kernel gives back when its holder dies."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.cli.errors import CommandError
from shared.secret_file import read_or_make


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the data directory, creating it for this user only; raises CommandError when another holds it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(_held(directory)) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def secret(directory: Path) -> str:
    """The data directory's own secret key."""
    return read_or_make(directory / "secret", lambda: secrets.token_urlsafe(48))


def make_empty(directory: Path) -> None:
    """Have the directory, with nothing in it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)


def _held(directory: Path) -> str:
    holder = (directory / "lock").read_text()
    return (
        f"Another `turnstone up` (process {holder or 'unknown'}) uses the data directory {directory}. "
        "Stop it, or choose another directory with --data-dir or TURNSTONE_DATA_DIR."
    )
