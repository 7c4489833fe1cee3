"""`turnstone up`: everything in one command, ended by one signal."""

import asyncio
import signal
import subprocess
from collections.abc import Callable

from pydantic import SecretStr

from shared import descriptors
from shared.cli import commands, stack
from shared.cli.data_directory import locked, make_empty, secret
from shared.cli.errors import CommandError
from shared.cli.listener import base_url, listen
from shared.cli.process_table import ProcessTable
from shared.cli.supervisor import Supervisor
from shared.settings import Settings

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(settings: Settings, *, flower: bool = False) -> None:
    """Run the whole stack until a signal; raises CommandError when it cannot start or go on."""
    # Children that do not see to it themselves, such as the demo upstream, inherit it.
    descriptors.raise_limit(descriptors.needs(settings).most)
    directory = settings.data_dir.absolute()
    with locked(directory):
        make_empty(stack.figures_directory(settings))
        table = ProcessTable(directory / "processes.json")
        for name in table.end_leftovers():
            say(f"ended {name}, left behind by a supervisor that was killed")
        if settings.secret_key is None:
            settings = settings.model_copy(update={"secret_key": SecretStr(secret(directory))})
        with listen(settings.host, settings.port) as listener:
            migrate(settings)
            parts = stack.build(settings, listener_fd=listener.fileno(), flower=flower)
            supervisor = Supervisor(parts.stages, table, say)
            # The port refuses from the first moment of the stop: in the backlog nobody would ever answer.
            asyncio.run(_supervise(supervisor, parts, on_stop=listener.close))
    say("stopped")


def migrate(settings: Settings) -> None:
    """Bring the database up to date in a process of its own: the supervisor stays small and free of SQL."""
    finished = subprocess.run(commands.turnstone_command("migrate"), env=commands.environment(settings), check=False)
    if finished.returncode != 0:
        raise CommandError("The database could not be brought up to date; see above.")


def announce(parts: stack.Stack) -> None:
    """Tell where it runs and how to use it."""
    settings = parts.settings
    address = base_url(settings.host, settings.port)
    for note in parts.notes:
        say(note)
    say(
        f"ready at {address}/v1 "
        f"({settings.api_processes} API, {settings.worker_processes} worker processes; data in {settings.data_dir})"
    )
    print(_HOW_TO.format(address=address), flush=True)


def say(text: str) -> None:
    """One line from the supervisor, told apart from its children's."""
    print(f"turnstone: {text}", flush=True)


async def _supervise(supervisor: Supervisor, parts: stack.Stack, on_stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, supervisor.stop)
    await supervisor.run(on_ready=lambda: announce(parts), on_stop=on_stop)


_HOW_TO = """
  curl -N {address}/v1/responses -H 'content-type: application/json' \\
       -d '{{"model": "turnstone-demo", "input": "count to 20", "background": true, "stream": true}}'

  from openai import OpenAI
  client = OpenAI(base_url="{address}/v1", api_key="unused")
  response = client.responses.create(model="turnstone-demo", input="Hello", background=True)
  print(client.responses.retrieve(response.id).status)

Ctrl-C stops everything.
"""
