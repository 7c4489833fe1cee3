"""Every metric that processes count by themselves. What SQL knows is asked for when it is read: `api.queue_figures`.

No label's values are the client's to choose: they come from closed sets, the upstreams file, and `ModelLabels`. A
count that never rose is 0, not missing, wherever its labels are known beforehand: alerts compare it.
"""

from enum import StrEnum
from itertools import product

from prometheus_client import Counter, Gauge, Histogram

from shared.core.service_tier import Tier
from shared.core.turn import Turn
from shared.core.turn_status import TERMINAL

MODES = ("foreground", "foreground_stream", "background", "background_stream")

_UPSTREAM_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_WAIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
_RUN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

# -- turns --------------------------------------------------------------------------------------------------

TURNS_ACCEPTED = Counter("turnstone_turns_accepted", "Turns accepted.", ["mode", "tier"])
TURNS_ENDED = Counter(
    "turnstone_turns_ended", "Turns that came to their end, by whoever wrote it.", ["status", "mode", "model", "tier"]
)
TOKENS = Counter("turnstone_tokens", "Tokens of ended turns, as model servers counted them.", ["direction", "model"])
TURN_WAIT = Histogram(
    "turnstone_turn_wait_seconds",
    "From a turn's message to its claim by a worker.",
    ["tier"],
    buckets=_WAIT_SECONDS,
)
TURN_RUN = Histogram(
    "turnstone_turn_run_seconds", "From a turn's claim to its end by that worker.", ["mode"], buckets=_RUN_SECONDS
)
FIRST_DELTA = Histogram(
    "turnstone_first_delta_seconds",
    "From a turn's claim to its first output, of turns whose events are published.",
    ["tier"],
    buckets=_UPSTREAM_SECONDS,
)
WORKER_TURNS = Gauge("turnstone_worker_turns", "Turns that worker processes run.", multiprocess_mode="livesum")
WORKERS_CONSUMING = Gauge(
    "turnstone_workers_consuming",
    "Worker processes to which the broker last answered when they asked it for turns.",
    multiprocess_mode="livesum",
)
WORKER_SLOTS = Gauge(
    "turnstone_worker_slots", "Turns that worker processes can run at once.", multiprocess_mode="livesum"
)

# -- streams ------------------------------------------------------------------------------------------------

EVENTS_PUBLISHED = Counter("turnstone_events_published", "Events that workers published, most of them deltas.")
EVENTS_DELIVERED = Counter(
    "turnstone_events_delivered", "Events handed to readers, each as often as it is read; up to 100 late per stream."
)
OPEN_STREAMS = Gauge(
    "turnstone_open_streams", "Streams, WebSockets and forwarded calls under way.", multiprocess_mode="livesum"
)
MISSING_DESCRIPTORS = Gauge(
    "turnstone_missing_descriptors",
    "File descriptors that a process lacks for all that is configured; with fewer, it refuses streams earlier.",
    multiprocess_mode="livemax",
)

# -- upstreams ----------------------------------------------------------------------------------------------

UPSTREAM_CALLS = Counter("turnstone_upstream_calls", "Calls to a model server, retries included.", ["upstream"])
UPSTREAM_ERRORS = Counter("turnstone_upstream_errors", "Calls to a model server that failed.", ["upstream", "kind"])
UPSTREAM_FIRST_BYTE = Histogram(
    "turnstone_upstream_first_byte_seconds",
    "From a call to a model server to the first byte of its answer.",
    ["upstream"],
    buckets=_UPSTREAM_SECONDS,
)

# -- recovery and errors ------------------------------------------------------------------------------------

RECOVERIES = Counter(
    "turnstone_recoveries", "Turns that went on, or ended, only because they were recovered.", ["kind"]
)
FENCED_WRITES = Counter(
    "turnstone_fenced_writes", "Writes refused because the turn was ended from outside or taken over.", ["write"]
)
SWEEPER_CHORES = Counter("turnstone_sweeper_chores", "Chores that sweeps found to do.", ["chore"])
SQL_ERRORS = Counter("turnstone_sql_errors", "Transactions that the database failed.", ["kind"])
REDIS_ERRORS = Counter("turnstone_redis_errors", "Calls to Redis or the broker that failed.", ["use"])
REDIS_FAILURES = Counter("turnstone_redis_failures", "The same, by what was wrong.", ["kind"])
REFUSALS = Counter("turnstone_refusals", "Requests refused because a limit of this server was reached.", ["reason"])
WEBHOOKS = Counter("turnstone_webhooks", "Webhooks, by what came of each time they were sent.", ["outcome"])


class RedisUse(StrEnum):
    """What Redis, or the broker, was wanted for when it failed."""

    PUBLISH = "publish"
    READ = "read"
    SUBSCRIBE = "subscribe"
    FREEZE = "freeze"
    HINT = "hint"
    CANCELS = "cancels"
    REQUEST_RATE = "request_rate"
    CONSUME = "consume"
    DISPATCH = "dispatch"
    QUEUE_LENGTH = "queue_length"
    TRIAL = "trial"


for _use in RedisUse:
    REDIS_ERRORS.labels(_use)


def mode_of(turn: Turn) -> str:
    """How the turn's caller wanted it."""
    return MODES[2 * turn.background + turn.stream]


for _tier in Tier:
    TURN_WAIT.labels(_tier)
    FIRST_DELTA.labels(_tier)
for _mode in MODES:
    TURN_RUN.labels(_mode)
for _mode, _tier in product(MODES, Tier):
    TURNS_ACCEPTED.labels(_mode, _tier)


def begin_model(model: str) -> None:
    """Have the counts of a model's turns at 0."""
    for status, mode in product(sorted(TERMINAL), MODES):
        TURNS_ENDED.labels(status, mode, model, Tier.DEFAULT)
    for direction in ("input", "output"):
        TOKENS.labels(direction, model)
