"""A Redis that refuses: told apart, told once, left for another server, and no end of a worker."""

from tests.mutants.safeguard import Safeguard

_FAILURES = "tests/unit/test_redis_failures.py"
_CONDEMNED = "tests/integration/stream/test_condemned.py"
_REFUSALS = "tests/faults/test_redis_refusals.py"

OUTAGES = (
    Safeguard(
        "workers wait out what a broker answers",
        "G6",
        "workers/app.py",
        'app.conf.worker_consumer = "workers.consumer:PatientConsumer"\n',
        "",
        (f"{_REFUSALS}::test_it_is_waited_out[read only]",),
    ),
    Safeguard(
        "connections are left once Redis has refused something",
        "G6",
        "shared/redis_outages.py",
        "self.refusals += failure in REFUSALS",
        "self.refusals += 0",
        (f"{_CONDEMNED}::test_an_idle_connection_is_opened_anew_after_a_refusal_and_only_then",),
    ),
    Safeguard(
        "who listens leaves as well",
        "G6",
        "shared/stream/event_feed.py",
        "anew_after_refusals(self._listen)",
        "self._listen()",
        (f"{_CONDEMNED}::test_a_feed_listens_on_a_new_connection_and_says_that_messages_may_be_missing",),
    ),
    Safeguard(
        "an outage is told once",
        "G6",
        "shared/redis_outages.py",
        "        if not known:\n",
        "        if True:\n",
        (f"{_FAILURES}::test_an_outage_is_told_once_and_so_is_its_end",),
    ),
    Safeguard(
        "the words of a command are no answer",
        "G6",
        "shared/redis_failures.py",
        ".rpartition(_COMMAND)[2]",
        "",
        (f"{_FAILURES}::test_in_a_pipeline_the_answer_counts_and_not_the_command",),
    ),
    Safeguard(
        "a Redis is tried by a write",
        "G6",
        "shared/stream/trial.py",
        "    pipeline.eval(_WRITE, 1, keys.trial, _KEPT_MS)\n",
        "",
        ("tests/integration/test_doctor.py::test_a_redis_that_takes_no_writes_is_bad_although_it_answers",),
    ),
)
