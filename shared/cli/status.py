"""`turnstone status`: how much work there is, and who does it."""

from collections.abc import Iterable

from shared.cli.embedded_valkey import with_embedded_valkey
from shared.cli.opened_database import opened
from shared.redis_failures import MEANINGS
from shared.settings import Settings
from shared.store import server_state
from shared.store.processes import Process
from shared.store.queue_state import TierState, Waiting
from shared.store.server_state import ServerState
from shared.stream import connections, trial
from shared.stream.keys import Keys
from shared.version import VERSION

_WAITING = {Waiting.WORKER: "a worker", Waiting.SHARE: "their owner's share", Waiting.TURN: "a turn before them"}


def table(settings: Settings) -> list[str]:
    """The lines to print; the same figures as `GET /v1/turnstone/status`."""
    with opened(settings) as database, database.read() as connection:
        state = server_state.load(connection)
    return _lines(state, _problem(with_embedded_valkey(settings)))


def _problem(settings: Settings) -> str | None:
    if settings.redis_url is None:
        return None
    with connections.connect(settings.redis) as client:
        failure = trial.failure(client, Keys(settings.key_prefix))
    return failure and f"redis {MEANINGS[failure]}"


def _lines(state: ServerState, problem: str | None) -> list[str]:
    return [
        f"{'version':16}{VERSION}, schema {state.schema_revision}",
        f"{'workers':16}{_processes(state.workers)}",
        f"{'API processes':16}{_processes(state.api_processes)}",
        f"{'recoveries':16}{_counts(state.recoveries)}",
        f"{'problems':16}{problem or 'none'}",
        "",
        f"{'TIER':16}{'RUNNING':>9}{'QUEUED':>9}{'OLDEST':>10}   of the queued, wait for",
        *(_tier(name, one) for name, one in state.tiers.items()),
    ]


def _tier(name: str, tier: TierState) -> str:
    waiting = {f"{_WAITING[what]}": one.turns for what, one in tier.queued.items()}
    oldest = f"{max(one.oldest_seconds for one in tier.queued.values()):.0f} s"
    return f"{name:16}{tier.running:>9}{tier.depth:>9}{oldest:>10}   {_counts(waiting) if tier.depth else ''}"


def _processes(processes: Iterable[Process]) -> str:
    """How many, and of which versions: `2 (0.1.0), 1 (0.2.0)`."""
    versions = [process.version or "version unknown" for process in processes]
    return ", ".join(f"{versions.count(one)} ({one})" for one in sorted(set(versions))) or "none"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
