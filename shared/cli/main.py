"""The `turnstone` command. Exit codes: 0 done, 1 it did not work, 2 the settings or arguments are wrong."""

import os
from pathlib import Path
from typing import Annotated

import typer

from shared import production
from shared.cli import commands, demo, doctor, operator_commands, up
from shared.cli.errors import CommandError, clear_errors
from shared.core.api_key import Caller
from shared.settings import Settings, load_settings
from shared.upstream import upstreams_file

app = typer.Typer(
    help="A self-hosted, OpenAI-compatible Responses API. Settings come from TURNSTONE_… in the environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

keys_app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(operator_commands.app)

Host = Annotated[str | None, typer.Option(help="Address to listen on, instead of TURNSTONE_HOST.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port, instead of TURNSTONE_PORT.")]
DataDir = Annotated[Path | None, typer.Option(help="Data directory, instead of TURNSTONE_DATA_DIR.")]
Name = Annotated[str | None, typer.Option(help="Name among the workers of this host. Default: from the process id.")]
Events = Annotated[bool, typer.Option("--events", help="Send task events, for Flower.")]
Flower = Annotated[bool, typer.Option("--flower", help=f"Also start Flower on 127.0.0.1:{commands.FLOWER_PORT}.")]


@app.command("up")
def up_command(host: Host = None, port: Port = None, data_dir: DataDir = None, flower: Flower = False) -> None:
    """Start everything: API, workers, and an embedded Valkey and a demo upstream where none is configured."""
    with clear_errors():
        up.run(_to_serve(host=host, port=port, data_dir=data_dir), flower=flower)


@app.command()
def api(host: Host = None, port: Port = None) -> None:
    """Run one API process."""
    with clear_errors():
        settings = _to_serve(host=host, port=port)
        command = commands.api_command("--host", settings.host, "--port", str(settings.port))
        commands.become(command, commands.environment(settings))


@app.command()
def worker(name: Name = None, events: Events = False) -> None:
    """Run one Celery worker process."""
    with clear_errors():
        command = commands.worker_command(name or f"worker-{os.getpid()}", events=events)
        commands.become(command, commands.environment(_to_serve()))


@app.command("flower")
def flower_command(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = commands.FLOWER_PORT,
) -> None:
    """Run Flower, which shows workers and turns to whoever has the login in FLOWER_BASIC_AUTH (user:password)."""
    with clear_errors():
        commands.become(commands.flower_command(host, port), commands.environment(_settings()))


@app.command()
def migrate() -> None:
    """Bring the database schema up to date."""
    with clear_errors():
        settings = _settings()
        if settings.database_url is None:
            settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Imported here: only this command and the doctor need SQL.
        from shared.store import engine, schema

        try:
            with engine.reachable():
                schema.migrate(settings)
        except (schema.SchemaBusy, engine.DatabaseAway) as error:
            raise CommandError(str(error)) from None


@app.command("doctor")
def doctor_command(
    url: Annotated[
        str | None,
        typer.Option(help="The public address, proxies included: also see whether streams come through it unhindered."),
    ] = None,
) -> None:
    """Check database, Redis, broker, workers and upstream, and say what to do. OPENAI_API_KEY is the key for --url."""
    with clear_errors():
        raise typer.Exit(0 if doctor.run(_settings(), url) else 1)


@app.command("demo")
def demo_command(
    base_url: Annotated[str | None, typer.Option(help="A running server, as http://host:port/v1.")] = None,
    model: Annotated[str, typer.Option(help="The model to ask for.")] = demo.MODEL,
    max_output_tokens: Annotated[
        int | None, typer.Option(min=16, help="Longest answer; unset: the model's own.")
    ] = None,
) -> None:
    """Run the main job and tell what happened; without --base-url on a stack of its own, in a temporary directory."""
    with clear_errors():
        demo.run(base_url, model, max_output_tokens)


@app.command("usage")
def show_usage(
    lately: Annotated[str, typer.Option("--since", help="How far back: 12h, 30d, 4w.")] = "30d",
) -> None:
    """Show the tokens of each owner and model, as the model servers counted them, of turns still stored."""
    from shared.cli import usage

    with clear_errors():
        typer.echo("\n".join(usage.table(_settings(), lately)))


@keys_app.command("create")
def create_key(
    owner: Annotated[str, typer.Option(help="Whose key it is: owners see nothing of one another.")],
    expires: Annotated[str | None, typer.Option(help="How long it is good: 12h, 90d, 4w. Unset: for ever.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Also good for operators' endpoints.")] = False,
    model: Annotated[list[str] | None, typer.Option(help="A model, or pattern, it may use. Unset: all.")] = None,
) -> None:
    """Make a key and print it: it is shown this once."""
    from shared.cli import keys

    with clear_errors():
        typer.echo(keys.create(_settings(), Caller(owner, admin, tuple(model) if model else None), expires))


@keys_app.command("list")
def list_keys() -> None:
    """Show all keys: their beginnings, owners and what they allow."""
    from shared.cli import keys

    with clear_errors():
        typer.echo("\n".join(keys.table(_settings())))


@keys_app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="The key's beginning, as `list` shows it, or all of it.")],
) -> None:
    """Make a key worthless, within seconds, everywhere."""
    from shared.cli import keys

    with clear_errors():
        keys.revoke(_settings(), key)
        typer.echo(f"revoked {key[:12] if not key.startswith('sk-ts-') else key[6:18]}")


def _settings(**flags: object) -> Settings:
    return load_settings().model_copy(update={name: value for name, value in flags.items() if value is not None})


def _to_serve(**flags: object) -> Settings:
    """The settings of a process that calls upstreams: what is wrong with their file is told now, and clearly."""
    settings = _settings(**flags)
    production.check(settings)
    if settings.upstreams_file is not None:
        upstreams_file.tables(settings)
    return settings
