"""What the person on call asks first: how much work there is, and who does it. All of it from SQL."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from shared.core.service_tier import Tier
from shared.store import processes, queue_state, schema
from shared.store.processes import Process
from shared.store.queue_state import TierState, Waiting


@dataclass(frozen=True, slots=True)
class ServerState:
    """The whole deployment at one moment."""

    schema_revision: str | None
    tiers: Mapping[Tier, TierState]
    workers: list[Process]
    api_processes: list[Process]

    @property
    def running(self) -> int:
        """Turns that run."""
        return sum(state.running for state in self.tiers.values())

    @property
    def queued(self) -> int:
        """Turns that wait, whatever for."""
        return sum(state.depth for state in self.tiers.values())

    @property
    def recoveries(self) -> dict[str, int]:
        """How often each kind has happened, since the start of the processes that live."""
        total: Counter[str] = Counter()
        for process in (*self.workers, *self.api_processes):
            total.update(process.recoveries)
        return dict(total)

    def waiting_for(self, what: Waiting) -> int:
        """Turns that wait for this."""
        return sum(state.queued[what].turns for state in self.tiers.values())

    def oldest_seconds(self, what: Waiting | None = None) -> float:
        """For how long the first of them does; of all queued ones, unless something is named."""
        wanted = list(Waiting) if what is None else [what]
        return max(state.queued[one].oldest_seconds for state in self.tiers.values() for one in wanted)


def load(connection: Connection) -> ServerState:
    """The state as it is now."""
    return ServerState(
        schema.revision(connection),
        queue_state.load(connection),
        processes.alive(connection, processes.WORKER),
        processes.alive(connection, processes.API),
    )
