"""The commands of the person on call. Each looks into the database itself, so that it works while the API is away."""

from pathlib import Path
from typing import Annotated

import typer

from shared.cli.errors import clear_errors
from shared.logging import configure_logging
from shared.settings import Settings, load_settings

app = typer.Typer()

Owner = Annotated[str, typer.Option(help="Whose.")]


# Each imports what it runs: SQL and Celery would cost every other command a second.
@app.command("status")
def status_command() -> None:
    """Show how much work there is, and who does it."""
    from shared.cli import status

    with clear_errors():
        typer.echo("\n".join(status.table(load_settings())))


@app.command("cancel")
def cancel_command(response_id: Annotated[str, typer.Argument(help="The response's id, resp_…")]) -> None:
    """Cancel a turn that is queued or running, whoever owns it."""
    from shared.cli import cancel

    with clear_errors():
        typer.echo(cancel.cancel(_to_end_turns(), response_id))


@app.command("purge")
def purge_command(
    older_than: Annotated[
        str | None, typer.Option(help="Age since their end: 12h, 30d, 4w. Unset: TURNSTONE_RETENTION_DAYS.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many they are.")] = False,
) -> None:
    """Erase old responses now; a chain is as old as its youngest, and conversations keep their items."""
    from shared.cli import purge

    with clear_errors():
        typer.echo(purge.purge(load_settings(), older_than, dry_run=dry_run))


@app.command("export")
def export_command(
    owner: Owner,
    output: Annotated[Path | None, typer.Option(help="A new file, for this user alone. Unset: print.")] = None,
) -> None:
    """Write all that is stored of an owner, as JSON lines: without secrets of webhooks and digests of keys."""
    from shared.cli import export

    with clear_errors():
        export.export(load_settings(), owner, output)


@app.command("erase")
def erase_command(
    owner: Owner,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase all that is stored of an owner, for good: running turns are cancelled, keys are revoked."""
    from shared.cli import erase

    with clear_errors():
        settings = _to_end_turns()
        if not yes:
            typer.confirm(f"For good: {erase.held(settings, owner)}, all of owner {owner!r}. Erase?", abort=True)
        typer.echo(erase.erase(settings, owner))


def _to_end_turns() -> Settings:
    """The settings; what ends turns logs, which is not what the command prints."""
    settings = load_settings()
    configure_logging(settings.model_copy(update={"log_level": "warning"}))
    return settings
