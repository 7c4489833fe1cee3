"""What makes a command end with a sentence and an exit code instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from shared.settings import SettingsError


class CommandError(Exception):
    """The command cannot do what was asked; the message says why and what to do. Exit code 1."""


@contextmanager
def clear_errors() -> Iterator[None]:
    """Tell of these errors in one line each, and exit."""
    try:
        yield
    except SettingsError as error:
        typer.echo(f"turnstone: wrong settings\n{error}", err=True)
        raise typer.Exit(2) from None
    except CommandError as error:
        typer.echo(f"turnstone: {error}", err=True)
        raise typer.Exit(1) from None
