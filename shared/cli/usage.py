"""`turnstone usage`: what owners have used."""

from shared import clock
from shared.cli.durations import seconds
from shared.cli.opened_database import opened
from shared.settings import Settings
from shared.store import usage


def table(settings: Settings, lately: str) -> list[str]:
    """A line for each owner and model, below a heading, for the time up to now."""
    with opened(settings) as database, database.read() as connection:
        used = usage.since(connection, clock.now() - seconds(lately))
    heading = f"{'OWNER':24}{'MODEL':32}{'TURNS':>10}{'INPUT':>14}{'OUTPUT':>14}"
    return [heading, *(f"{u.owner:24}{u.model:32}{u.turns:>10}{u.input_tokens:>14}{u.output_tokens:>14}" for u in used)]
