"""`turnstone cancel`: end a turn from outside, by the routine that everybody uses."""

from shared.cli.embedded_valkey import with_embedded_valkey
from shared.cli.errors import CommandError
from shared.cli.opened_database import opened
from shared.cli.opened_ender import opened_ender
from shared.core.turn import Turn
from shared.core.turn_status import Status
from shared.settings import Settings
from shared.store import operators
from shared.store.engine import Database


def cancel(settings: Settings, response_id: str) -> str:
    """What was done; raises CommandError for a turn that is not there or has ended otherwise."""
    settings = with_embedded_valkey(settings)
    with opened(settings) as database, opened_ender(settings, database) as ender:
        turn = _find(database, response_id)
        if turn.terminal or turn.ending:
            return _as_it_is(turn)
        if ender.end(turn, "cancelled"):
            return f"cancelled {turn.id}, which was {turn.status}, of owner {turn.owner}"
        return _as_it_is(_find(database, response_id))


def _find(database: Database, response_id: str) -> Turn:
    with database.read() as connection:
        turn = operators.turn(connection, response_id)
    if turn is None:
        raise CommandError(f"There is no response {response_id[:80]!r}.")
    return turn


def _as_it_is(turn: Turn) -> str:
    if turn.status is Status.CANCELLED:
        return f"{turn.id} is cancelled already"
    if not turn.terminal:
        return f"{turn.id} is being ended by another process, as {turn.ending}"
    raise CommandError(f"{turn.id} has ended already: {turn.status}.")
