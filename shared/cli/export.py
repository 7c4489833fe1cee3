"""`turnstone export`: all that is stored of an owner, as JSON lines."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

import orjson

from shared.cli.errors import CommandError
from shared.cli.opened_database import opened
from shared.settings import Settings
from shared.store import export as stored


def export(settings: Settings, owner: str, output: Path | None) -> None:
    """Write to a new file, or to standard output; raises CommandError when there is nothing of this owner."""
    if output is None:
        _write(settings, owner, sys.stdout.buffer)
        return
    with _new(output) as file:
        try:
            _write(settings, owner, file)
        except BaseException:
            output.unlink()  # half of it could pass for all of it
            raise


def _write(settings: Settings, owner: str, file: BinaryIO) -> None:
    count = 0
    with opened(settings) as database, database.read() as connection:
        for count, line in enumerate(stored.everything(connection, owner), 1):  # noqa: B007 - the last is the count
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    if not count:
        raise CommandError(f"Nothing is stored of an owner {owner[:80]!r}.")
    file.flush()


def _new(output: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise CommandError(f"{output}: {error.strerror}.") from None
