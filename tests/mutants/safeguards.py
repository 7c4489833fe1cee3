"""All safeguards, in the order of the table, and what the codes of their guarantees stand for."""

from tests.mutants.ends import ENDS
from tests.mutants.fences import FENCES
from tests.mutants.figures import FIGURES
from tests.mutants.hostility import HOSTILITY
from tests.mutants.logs import LOGS
from tests.mutants.operators import OPERATORS
from tests.mutants.order import ORDER
from tests.mutants.outages import OUTAGES
from tests.mutants.readers import READERS
from tests.mutants.recovery import RECOVERY
from tests.mutants.requests import REQUESTS
from tests.mutants.routes import ROUTES
from tests.mutants.safeguard import Safeguard
from tests.mutants.shares import SHARES
from tests.mutants.upstreams import UPSTREAMS
from tests.mutants.webhooks import WEBHOOKS
from tests.mutants.websockets import WEBSOCKETS
from tests.mutants.workers import WORKERS

SAFEGUARDS = (
    *FENCES,
    *ORDER,
    *RECOVERY,
    *SHARES,
    *LOGS,
    *OUTAGES,
    *READERS,
    *ENDS,
    *WORKERS,
    *REQUESTS,
    *WEBSOCKETS,
    *ROUTES,
    *UPSTREAMS,
    *HOSTILITY,
    *WEBHOOKS,
    *FIGURES,
    *OPERATORS,
)

GUARANTEES = {
    "G1": "an accepted turn reaches an end",
    "G2": "a turn ends once, and its end never changes",
    "G3": "a worker that lost its turn changes nothing and publishes nothing",
    "G4": "the turn of a killed worker runs again, or ends, soon after its lease",
    "G5": "nobody sees the output of two attempts",
    "G6": "Redis may be away, empty or late at any time",
    "G7": "the database may be away for two minutes",
    "G8": "messages that come twice, late or from elsewhere do nothing",
    "G9": "a turn is tried at most three times",
    "G10": "wrong clocks of processes do not matter",
    "G11": "a rolling restart loses and doubles nothing",
    "G13": "event numbers have no gap and no repeat",
    "G15": "a stream always ends",
    "G16": "what was streamed is what is stored",
    "G17": "an API process may die under its readers and callers",
    "G18": "a slow reader costs bounded memory",
    "G19": "a foreground client that leaves stops its turn",
    "G20": "a cancel that was acknowledged stands",
    "G21": "what is deleted is gone everywhere, soon",
    "G22": "turns of a conversation run one at a time, in order, and none is stranded",
    "G23": "one idempotency key, one turn",
    "G24": "an endpoint gets each event at least once",
    "G26": "requests are bounded",
    "C8": "a conversation holds what its turns and its owner put there",
    "I1": "another owner's is an unknown id",
    "I2": "texts of requests are in no log and no error",
    "O1": "figures hold no client's words, are of the living, and are told in an outage",
    "Q1": "nothing stays queued or running for ever, and no storm of messages helps it",
    "Q2": "a turn never runs twice at once",
    "Q6": "nobody's turns delay another's; what is too much is refused before it is accepted",
    "Q9": "what is not kept is erased; what is kept is not",
    "R8": "branches go on from what is there",
    "R9": "a follow-up sees all of the turn before it",
    "S1": "no first event is lost",
    "S3": "no URL of a request leads inside",
    "S5": "the broker takes JSON alone",
    "S8": "no text can forge an event",
    "S9": "hostile requests are refused, and cost what they weigh",
    "S10": "production starts with nothing that lets strangers in",
}

# Not safeguards: without them a worker, or an API process, of the copy does not start.
IMPORTED = (
    Safeguard(
        "workers are started from the copy",
        "",
        "workers/app.py",
        "settings = load_settings()\n",
        "raise SystemExit\n",
        ("tests/integration/workers/test_worker.py::test_what_is_no_message_of_ours_is_ignored",),
    ),
    Safeguard(
        "API processes are started from the copy",
        "",
        "api/main.py",
        "        settings = load_settings()\n",
        "        raise SystemExit\n",
        ("tests/acceptance/test_bad_requests.py::test_a_body_over_the_limit_is_413_however_it_is_sent",),
    ),
)
