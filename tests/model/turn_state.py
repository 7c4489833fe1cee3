"""The state of one turn in the model: its row, what Redis holds of it, and all who work on it.

Events are numbers: 0 and 1 the lifecycle, then outputs, then the end. A log is its length, since only whole prefixes
of one attempt's events are ever in it. A live message may come at any time after it was published, in any order, any
number of times, or never: what was ever published is enough to know.

Time is left out. A lease whose holder is gone runs out some time; one whose holder lives runs out only by the fault
`stall`. A database that is away only makes steps wait, so it is left out too.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

LIFECYCLE = 2
LOST_NUMBER = 99
FAULTS = (
    "kill",  # a worker process dies
    "stall",  # whoever drives the turn is silent for longer than its lease, and then goes on
    "flush",  # Redis loses everything, or the log alone, or the fence alone
    "unheard",  # the database writes an end, and the answer is lost on the way
    "outage",  # Redis cannot be asked for a while; what it was asked last it may have done
    "duplicate",  # the broker delivers a message twice
    "cancel",  # somebody cancels
    "api_death",  # the subscriber's API process dies
    "api_stall",  # it is not seen for so long that others take it for dead
    "ender_death",  # whoever ends the turn from outside dies half-way
    "drain",  # a worker is told to stop
    "age",  # the turn waits or runs for too long
)

_AT = {fault: at for at, fault in enumerate(FAULTS)}


class Worker(NamedTuple):
    """An attempt in a worker process, and the part of the publisher that is its."""

    phase: str = ""  # claimed · output (may be published) · ended (committed, the end not yet published)
    attempt: int = 0
    made: int = 0  # events in memory
    sent: int = 0  # of these, those that Redis is known to have
    fresh: bool = False  # no append since the claim: the next one sets the fence
    rewriting: bool = False  # Redis had fewer than were sent: all goes in one call
    healing: str = ""  # the fence was not ours: fence (set it) · ask (SQL whether the turn is ours)
    drained: bool = False  # told to stop, and the turn given back


class Ender(NamedTuple):
    """Whoever ends the turn from outside: a cancel, a sweeper, a draining worker."""

    phase: str = ""  # taken · halfway (a freeze in two calls, in mutants only) · folded · ended (committed)
    attempt: int = 0
    ending: str = ""
    outputs: int = 0
    lost: bool = False


class Reader(NamedTuple):
    """A subscriber. When its API process dies it comes back to another one; a foreground caller does not."""

    phase: str = "away"  # away · marking (row read, not yet marked; in mutants only) · live · over · dead
    seen: int = -1
    known: int = 0  # the working attempt, as far as it knows
    source: int = 0  # the attempt whose outputs it was given


class Journal(NamedTuple):
    """What the end has stored."""

    work: int
    outputs: int
    number: int
    lost: bool


class State(NamedTuple):
    """`frozen`, `acknowledged` and `bad` are the checker's own notes: no step looks at them."""

    status: str = "queued"
    attempt: int = 0
    leased: bool = False
    unseen: bool = False  # the API process that waits for the turn
    observed: bool = False
    output_started: bool = False
    ending: str = ""
    journal: Journal | None = None
    redis: bool = True
    fence: int = 0
    logs: tuple[int, ...] = (0, 0, 0, 0)
    heard: tuple[int, ...] = (0, 0, 0, 0)  # per attempt, how many of its events were published
    hint: tuple[int, int, str] | None = None  # an ender's terminal message: work, number, status
    messages: int = 1
    workers: tuple[Worker, Worker] = (Worker(), Worker())
    enders: tuple[Ender, Ender] = (Ender(), Ender())
    reader: Reader = Reader()
    left: tuple[int, ...] = ()  # of each fault
    frozen: bool = False
    acknowledged: bool = False
    bad: str = ""

    def but(self, **changes: Any) -> "State":
        """The state with these changes: `_replace`, several times faster."""
        values = list(self)
        for name, value in changes.items():
            values[_PLACES[name]] = value
        return _new(State, values)

    @property
    def running(self) -> bool:
        """Whether the row is in progress."""
        return self.status == "in_progress"

    @property
    def work(self) -> int:
        """The attempt whose events count."""
        return max(1, self.attempt - bool(self.ending))

    def has(self, fault: str) -> bool:
        """Whether it may still happen."""
        return self.left[_AT[fault]] > 0

    def use(self, fault: str) -> tuple[int, ...]:
        """What is left after it has happened."""
        at = _AT[fault]
        return (*self.left[:at], self.left[at] - 1, *self.left[at + 1 :])

    def with_worker(self, at: int, worker: Worker) -> tuple[Worker, Worker]:
        """The workers with one of them changed; they are alike, so their order is none."""
        other = self.workers[1 - at]
        return (worker, other) if worker <= other else (other, worker)

    def with_ender(self, at: int, ender: Ender) -> tuple[Ender, Ender]:
        """The enders with one of them changed."""
        other = self.enders[1 - at]
        return (ender, other) if ender <= other else (other, ender)


_PLACES = {name: at for at, name in enumerate(State._fields)}
_new = tuple.__new__


@dataclass(frozen=True)
class Rules:
    """What is explored: a turn's length, how often it is tried, how much may happen, which safeguards are gone.

    `foreground`: the caller waits on the stream, and does not come back. `endless`: the upstream never stops talking.
    `pieces`: outputs are so large that each goes to Redis in a call of its own.
    """

    faults: tuple[int, ...]
    outputs: int = 2
    attempts: int = 2
    foreground: bool = False
    endless: bool = False
    pieces: bool = False
    removed: frozenset[str] = frozenset()

    def first(self) -> State:
        """A turn just accepted, its message sent."""
        return State(left=self.faults, observed=self.foreground)

    def keeps(self, safeguard: str) -> bool:
        """Whether a safeguard is in place."""
        return safeguard not in self.removed


def faults(**budget: int) -> tuple[int, ...]:
    """How often each fault may happen; what is not named never does."""
    assert set(budget) <= set(FAULTS), budget
    return tuple(budget.get(fault, 0) for fault in FAULTS)


def put(values: tuple[int, ...], at: int, value: int) -> tuple[int, ...]:
    """`values` with one of them changed."""
    return (*values[:at], value, *values[at + 1 :])
